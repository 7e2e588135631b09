-- One row per wallet and condition: what its own fills were like, and how the condition ended. The rows that breakdown
-- and skill are sums of.
WITH own AS (
    SELECT account, condition,
           sum(paid) AS paid,
           sum(CASE WHEN early THEN CAST(volume AS DOUBLE) ELSE 0 END) AS early_volume,
           sum(CASE WHEN late THEN CAST(volume AS DOUBLE) ELSE 0 END) AS late_volume,
           sum(CASE WHEN early IS NOT NULL THEN CAST(volume AS DOUBLE) ELSE 0 END) AS timed_volume,
           sum(shares) AS shares,
           sum(squared_error) AS squared_error,
           sum(expected_error) AS expected_error,
           sum(closing_gain) AS closing_gain,
           sum(staked) AS staked
    FROM trading_legs
    WHERE true {account}
    GROUP BY account, condition
)
SELECT w.account, w.category, w.condition, w.state = 'resolved' AS resolved,
       CAST(w.volume AS BIGINT) AS volume, coalesce(w.realized_pnl, 0) AS realized_pnl,
       CASE WHEN w.bought_side = 'YES' THEN p.numerator * 2 > p.denominator
            WHEN w.bought_side = 'NO' THEN p.numerator * 2 < p.denominator END AS hit,
       p.numerator * 2 = p.denominator AS tied,
       o.paid, o.early_volume, o.late_volume, o.timed_volume,
       o.shares, o.squared_error, o.expected_error, o.closing_gain, o.staked
FROM book.wallet_conditions AS w
JOIN own AS o ON o.account = w.account AND o.condition = w.condition
LEFT JOIN book.payouts AS p ON p.condition = w.condition AND p.outcome_index = 0
WHERE w.fills > 0 {own_account}
