-- The proven tokens of each condition in the order of its outcomes, in the collateral that its market trades in: wrapped
-- collateral in a neg-risk group, else USDC.e. Conditions whose tokens were derived only in another collateral have those.
CREATE VIEW book.condition_tokens AS
WITH pairs AS (
    SELECT t.condition, t.collateral, list(t.token_id ORDER BY t.outcome_index) AS token_ids,
           CASE WHEN t.collateral = CASE WHEN q.condition IS NULL THEN p.collateral ELSE p.wrapped_collateral END
                THEN 0 WHEN t.collateral IN (p.collateral, p.wrapped_collateral) THEN 1 ELSE 2 END AS distance
    FROM dim.tokens AS t
    CROSS JOIN book.protocol AS p
    LEFT JOIN (SELECT DISTINCT condition FROM chain.neg_risk_questions) AS q ON q.condition = t.condition
    WHERE t.condition IS NOT NULL
    GROUP BY t.condition, t.collateral, q.condition, p.collateral, p.wrapped_collateral
)
SELECT condition, token_ids
FROM (
    SELECT condition, token_ids,
           row_number() OVER (PARTITION BY condition ORDER BY distance, collateral) AS place
    FROM pairs
) AS ranked
WHERE place = 1;
