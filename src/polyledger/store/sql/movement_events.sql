-- Movements outside what was scanned, as changes of holdings. A redemption moves the payout from what is held to cash
-- where one outcome takes all; where several are paid, which shares went in is not told, so they stay held, and the
-- profit is the same. Conversions are left out: the source does not say which shares went in (see value/scoping.py).
INSERT INTO book.movement_events
WITH counted AS (
    SELECT m.* FROM imported.movements AS m
    WHERE m.condition IS NOT NULL AND m.kind IN ('SPLIT', 'MERGE', 'REDEEM')
      AND NOT EXISTS (
        SELECT 1 FROM book.scanned_times AS s
        WHERE s.day = m.timestamp // 86400 AND m.timestamp BETWEEN s.first_time AND s.last_time)
      AND NOT EXISTS (
        SELECT 1 FROM book.wallet_scanned_times AS w
        WHERE w.account = m.wallet AND w.day = m.timestamp // 86400
          AND m.timestamp BETWEEN w.first_time AND w.last_time)
),
traded AS (
    SELECT t.condition, t.collateral FROM dim.tokens AS t
    WHERE t.token IN (SELECT token FROM imported.identities WHERE token IS NOT NULL)
),
told AS (
    SELECT condition, bool_or(neg_risk) AS neg_risk FROM claim.markets
    WHERE neg_risk IS NOT NULL AND verdict NOT IN ('refuted', 'quarantined') GROUP BY condition
),
-- A condition has tokens in several collaterals; its market trades in one.
collaterals AS (
    SELECT DISTINCT t.condition, t.collateral,
           CASE WHEN d.condition IS NOT NULL THEN 0
                WHEN t.collateral = CASE WHEN n.neg_risk THEN p.wrapped_collateral ELSE p.collateral END
                     AND n.neg_risk IS NOT NULL THEN 1 END AS distance
    FROM dim.tokens AS t
    CROSS JOIN book.protocol AS p
    LEFT JOIN traded AS d ON d.condition = t.condition AND d.collateral = t.collateral
    LEFT JOIN told AS n ON n.condition = t.condition
    WHERE t.condition IN (SELECT condition FROM counted)
),
tokens AS (
    SELECT t.condition, t.token, t.outcome_index FROM dim.tokens AS t
    JOIN (
        SELECT condition, collateral FROM collaterals WHERE distance IS NOT NULL
        QUALIFY row_number() OVER (PARTITION BY condition ORDER BY distance, collateral) = 1
    ) AS c ON c.condition = t.condition AND c.collateral = t.collateral
),
winners AS (
    SELECT t.condition, t.token FROM tokens AS t
    JOIN book.payouts AS p ON p.condition = t.condition AND p.outcome_index = t.outcome_index
    WHERE p.numerator = p.denominator
)
SELECT m.source, m.wallet, t.token, CASE WHEN m.kind = 'SPLIT' THEN m.shares ELSE -m.shares END,
       CASE WHEN t.outcome_index <> 0 THEN 0 WHEN m.kind = 'SPLIT' THEN -m.shares ELSE m.shares END, m.timestamp
FROM counted AS m JOIN tokens AS t ON t.condition = m.condition
WHERE m.kind IN ('SPLIT', 'MERGE')
UNION ALL
SELECT m.source, m.wallet, w.token, -m.collateral, 0, m.timestamp
FROM counted AS m JOIN winners AS w ON w.condition = m.condition
WHERE m.kind = 'REDEEM' AND m.collateral <> 0
UNION ALL
SELECT m.source, m.wallet, t.token, 0, m.collateral, m.timestamp
FROM counted AS m
JOIN tokens AS t ON t.condition = m.condition AND t.outcome_index = 0
WHERE m.kind = 'REDEEM' AND m.collateral <> 0 AND m.condition IN (SELECT condition FROM winners);
