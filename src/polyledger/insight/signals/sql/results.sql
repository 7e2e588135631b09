-- One row per wallet and condition it traded: on which day it began, on which day the condition settled, and what had come
-- of it by then. Only fills before the settlement count, so a row says nothing that was not known on settled_day; it is
-- the raw material of the wallet's standing on any later day. Days are counted since 1970-01-01, UTC. The columns are those
-- of trading.sql, whose sums are taken of them.
CREATE OR REPLACE TEMP TABLE signal_results AS
WITH own AS (
    SELECT account, condition, min(tx) AS first_tx, max(end_time) AS settled_at,
           CAST(sum(volume) AS BIGINT) AS volume,
           sum(paid) AS paid,
           sum(shares) AS shares,
           sum(squared_error) AS squared_error,
           sum(expected_error) AS expected_error,
           sum(closing_gain) AS closing_gain,
           sum(staked) AS staked,
           sum(CASE outcome_index WHEN 0 THEN bought WHEN 1 THEN -bought ELSE 0 END) AS lean
    FROM trading_legs
    WHERE tx IS NOT NULL AND (end_tx IS NULL OR tx < end_tx) {account}
    GROUP BY account, condition
),
held AS (
    SELECT e.account, e.token, CAST(sum(e.shares) AS BIGINT) AS shares, CAST(sum(e.cash) AS BIGINT) AS cash
    FROM book.wallet_events AS e
    JOIN traded_tokens AS t ON t.token = e.token
    WHERE e.tx < t.end_tx {account}
    GROUP BY e.account, e.token
),
profits AS (
    SELECT h.account, t.condition, min(h.shares) >= 0 AS complete,
           sum(h.cash + CASE WHEN h.shares <= 0 THEN 0
                             ELSE CAST(h.shares AS HUGEINT) * t.numerator // t.denominator END) AS realized_pnl
    FROM held AS h JOIN traded_tokens AS t ON t.token = h.token
    GROUP BY h.account, t.condition
),
slots AS (
    SELECT condition, count(*) AS slots, max(CASE WHEN outcome_index = 0 THEN numerator END) AS numerator,
           max(denominator) AS denominator
    FROM book.payouts
    GROUP BY condition
)
SELECT o.account, coalesce(m.category, 'Uncategorized') AS category, o.condition, b.timestamp // 86400 AS first_day,
       CASE WHEN p.complete THEN o.settled_at // 86400 END AS settled_day,
       o.volume, CAST(p.realized_pnl AS BIGINT) AS realized_pnl,
       CASE WHEN s.slots = 2 AND o.lean <> 0 THEN (o.lean > 0) = (s.numerator * 2 > s.denominator) END AS hit,
       s.numerator * 2 = s.denominator AS tied,
       o.paid, o.shares, o.squared_error, o.expected_error, o.closing_gain, o.staked
FROM own AS o
JOIN chain.blocks AS b ON b.number = o.first_tx // 65536
LEFT JOIN profits AS p ON p.account = o.account AND p.condition = o.condition
LEFT JOIN slots AS s ON s.condition = o.condition
LEFT JOIN signal_markets AS m ON m.condition = o.condition
WHERE o.account NOT IN (SELECT account FROM book.accounts_aside)
