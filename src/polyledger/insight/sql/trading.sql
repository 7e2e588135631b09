-- One row per wallet and condition: what its own fills were like, and how the condition ended. The rows that breakdown
-- and skill are sums of. Shares and USDC in millionths; prices and what follows from them are estimates, in doubles.
WITH closing AS (
    -- The last price of each token before its condition resolved (the last at all while it is open).
    SELECT f.token, arg_max(f.collateral / f.shares, f.tx * 65536 + f.log_index) AS price
    FROM chain.fills AS f
    JOIN dim.tokens AS t ON t.token = f.token
    LEFT JOIN chain.resolutions AS r ON r.condition = t.condition
    WHERE f.shares > 0 AND (r.tx IS NULL OR f.tx < r.tx)
    GROUP BY f.token
),
-- Where no chain says it, that of imported trades.
imported_closing AS (
    SELECT e.token, arg_max(e.volume / abs(e.shares), e.timestamp) AS price
    FROM book.imported_events AS e
    JOIN book.token_facts AS t ON t.token = e.token
    LEFT JOIN book.settled_times AS s ON s.condition = t.condition
    WHERE e.shares <> 0 AND (s.settled_at IS NULL OR e.timestamp < s.settled_at)
    GROUP BY e.token
),
tokens AS (
    SELECT t.token, t.condition, t.numerator / t.denominator AS payout,
           coalesce(c.price, i.price, 1 - o.price) AS closing_price, l.early_until, l.late_from, l.early_end, l.late_start
    FROM book.token_facts AS t
    LEFT JOIN closing AS c ON c.token = t.token
    LEFT JOIN imported_closing AS i ON i.token = t.token
    LEFT JOIN (
        SELECT t.token, k.price FROM dim.tokens AS t
        JOIN dim.tokens AS other ON other.condition = t.condition AND other.collateral = t.collateral
            AND other.outcome_index = 1 - t.outcome_index
        JOIN closing AS k ON k.token = other.token
    ) AS o ON o.token = t.token
    LEFT JOIN market_lives AS l ON l.condition = t.condition
    WHERE t.condition IS NOT NULL
),
legs AS (
    SELECT f.wallet AS account, t.condition, t.payout, f.tx < t.early_until AS early, f.tx >= t.late_from AS late,
           f.shares, f.side, f.collateral,
           CASE WHEN f.side = 0 THEN f.collateral - f.leftover ELSE f.collateral END AS volume,
           f.collateral / f.shares AS price,
           CASE WHEN f.side = 0 THEN f.shares * t.closing_price - f.collateral
                ELSE f.collateral - f.shares * t.closing_price END AS closing_gain
    FROM chain.fills AS f
    JOIN tokens AS t ON t.token = f.token
    WHERE f.shares > 0 {chain_account}
    UNION ALL
    SELECT e.account, t.condition, t.payout, e.timestamp <= t.early_end, e.timestamp >= t.late_start,
           abs(e.shares), CASE WHEN e.shares > 0 THEN 0 ELSE 1 END, e.volume, e.volume, e.volume / abs(e.shares),
           CASE WHEN e.shares > 0 THEN e.shares * t.closing_price - e.volume
                ELSE e.volume + e.shares * t.closing_price END
    FROM book.imported_events AS e
    JOIN tokens AS t ON t.token = e.token
    WHERE e.shares <> 0 {imported_account}
),
own AS (
    SELECT account, condition,
           count(*) AS fills,
           sum(CASE WHEN side = 0 THEN volume ELSE 0 END) AS paid,
           sum(CASE WHEN early THEN volume ELSE 0 END) AS early_volume,
           sum(CASE WHEN late THEN volume ELSE 0 END) AS late_volume,
           sum(CASE WHEN early IS NOT NULL THEN volume ELSE 0 END) AS timed_volume,
           sum(CAST(shares AS DOUBLE)) AS shares,
           sum(shares * (price - payout) * (price - payout)) AS squared_error,
           sum(shares * price * (1 - price)) AS expected_error,
           sum(closing_gain) AS closing_gain,
           sum(CAST(collateral AS DOUBLE)) AS staked
    FROM legs
    GROUP BY account, condition
)
SELECT w.account, w.category, w.condition, w.state = 'resolved' AS resolved,
       CAST(w.volume AS BIGINT) AS volume, coalesce(w.realized_pnl, 0) AS realized_pnl, w.bought_side,
       CASE WHEN w.bought_side = 'YES' THEN p.numerator * 2 > p.denominator
            WHEN w.bought_side = 'NO' THEN p.numerator * 2 < p.denominator END AS hit,
       p.numerator * 2 = p.denominator AS tied,
       o.paid, o.early_volume, o.late_volume, o.timed_volume,
       o.shares, o.squared_error, o.expected_error, o.closing_gain, o.staked
FROM book.wallet_conditions AS w
JOIN own AS o ON o.account = w.account AND o.condition = w.condition
LEFT JOIN book.payouts AS p ON p.condition = w.condition AND p.outcome_index = 0
WHERE w.fills > 0 {own_account}
