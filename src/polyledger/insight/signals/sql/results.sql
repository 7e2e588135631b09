-- One row per wallet and condition it traded: on which day it began, on which day the condition settled, and what had come
-- of it by then. Only fills before the settlement count, so a row says nothing that was not known on settled_day; it is
-- the raw material of the wallet's standing on any later day. Days are counted since 1970-01-01, UTC. The columns are those
-- of trading.sql, whose sums are taken of them.
CREATE OR REPLACE TEMP TABLE signal_results AS
WITH moments AS (SELECT timestamp, min(number) AS number FROM chain.blocks GROUP BY timestamp),
endings AS (
    SELECT r.condition, min(r.tx) AS tx, min(b.timestamp) // 86400 AS day
    FROM chain.resolutions AS r JOIN chain.blocks AS b ON b.number = r.tx // 65536
    GROUP BY r.condition
    UNION ALL
    -- A claim without a time of settlement tells nothing about a day in the past, so it is left out.
    SELECT s.condition, coalesce(m.number, 9223372036854) * 65536, s.resolved_at // 86400
    FROM (SELECT * FROM book.resolution_facts WHERE tx IS NULL AND numerators IS NOT NULL AND resolved_at IS NOT NULL) AS s
    ASOF LEFT JOIN moments AS m ON s.resolved_at <= m.timestamp
),
closing AS (
    SELECT f.token, arg_max(f.collateral / f.shares, f.tx * 65536 + f.log_index) AS price
    FROM chain.fills AS f
    JOIN dim.tokens AS t ON t.token = f.token
    JOIN endings AS e ON e.condition = t.condition
    WHERE f.shares > 0 AND f.tx < e.tx
    GROUP BY f.token
),
tokens AS (
    SELECT t.token, t.condition, t.outcome_index, e.tx AS end_tx, e.day AS end_day, t.numerator, t.denominator,
           coalesce(c.price, 1 - o.price) AS closing_price
    FROM book.token_facts AS t
    LEFT JOIN endings AS e ON e.condition = t.condition AND t.denominator IS NOT NULL
    LEFT JOIN closing AS c ON c.token = t.token
    LEFT JOIN (
        SELECT t.token, k.price FROM dim.tokens AS t
        JOIN dim.tokens AS other ON other.condition = t.condition AND other.collateral = t.collateral
            AND other.outcome_index = 1 - t.outcome_index
        JOIN closing AS k ON k.token = other.token
    ) AS o ON o.token = t.token
    WHERE t.condition IS NOT NULL
),
legs AS (
    SELECT f.wallet AS account, t.condition, t.outcome_index, t.end_day, b.timestamp // 86400 AS day, f.shares, f.side,
           f.collateral, t.numerator / t.denominator AS payout, f.collateral / f.shares AS price, t.closing_price,
           CASE WHEN f.side = 0 THEN f.collateral - f.leftover ELSE f.collateral END AS volume,
           CASE WHEN f.side = 0 THEN f.shares - CASE WHEN f.layout = 1 THEN f.fee - f.fee_refund ELSE 0 END
                ELSE f.leftover - f.shares END AS bought
    FROM chain.fills AS f
    JOIN tokens AS t ON t.token = f.token
    JOIN chain.blocks AS b ON b.number = f.tx // 65536
    WHERE f.shares > 0 AND (t.end_tx IS NULL OR f.tx < t.end_tx)
),
own AS (
    SELECT account, condition, min(day) AS first_day, max(end_day) AS settled_day,
           sum(volume) AS volume,
           sum(CASE WHEN side = 0 THEN volume ELSE 0 END) AS paid,
           sum(CAST(shares AS DOUBLE)) AS shares,
           sum(shares * (price - payout) * (price - payout)) AS squared_error,
           sum(shares * price * (1 - price)) AS expected_error,
           sum(CASE WHEN side = 0 THEN shares * closing_price - collateral
                    ELSE collateral - shares * closing_price END) AS closing_gain,
           sum(CAST(collateral AS DOUBLE)) AS staked,
           sum(CASE outcome_index WHEN 0 THEN bought WHEN 1 THEN -bought ELSE 0 END) AS lean
    FROM legs
    GROUP BY account, condition
),
held AS (
    SELECT e.account, e.token, t.condition, any_value(t.numerator) AS numerator, any_value(t.denominator) AS denominator,
           CAST(sum(e.shares) AS BIGINT) AS shares, sum(e.cash) AS cash
    FROM book.wallet_events AS e
    JOIN tokens AS t ON t.token = e.token
    WHERE t.end_tx IS NOT NULL AND e.tx < t.end_tx
    GROUP BY e.account, e.token, t.condition
),
profits AS (
    SELECT account, condition, min(shares) >= 0 AS complete,
           sum(cash + CASE WHEN shares <= 0 THEN 0
                           ELSE CAST(shares AS HUGEINT) * numerator // denominator END) AS realized_pnl
    FROM held
    GROUP BY account, condition
),
slots AS (
    SELECT condition, count(*) AS slots, max(CASE WHEN outcome_index = 0 THEN numerator END) AS numerator,
           max(denominator) AS denominator
    FROM book.payouts
    GROUP BY condition
)
SELECT o.account, coalesce(m.category, 'Uncategorized') AS category, o.condition, o.first_day,
       CASE WHEN p.complete THEN o.settled_day END AS settled_day,
       CAST(o.volume AS BIGINT) AS volume, CAST(p.realized_pnl AS BIGINT) AS realized_pnl,
       CASE WHEN s.slots = 2 AND o.lean <> 0 THEN (o.lean > 0) = (s.numerator * 2 > s.denominator) END AS hit,
       s.numerator * 2 = s.denominator AS tied,
       o.paid, o.shares, o.squared_error, o.expected_error, o.closing_gain, o.staked
FROM own AS o
LEFT JOIN profits AS p ON p.account = o.account AND p.condition = o.condition
LEFT JOIN slots AS s ON s.condition = o.condition
LEFT JOIN signal_markets AS m ON m.condition = o.condition
WHERE o.account NOT IN (SELECT account FROM book.accounts_aside)
