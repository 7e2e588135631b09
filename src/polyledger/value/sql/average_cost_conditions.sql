SELECT CAST(p.condition AS BIGINT) AS condition, CAST(a.token AS BIGINT) AS first_token,
       CAST(b.token AS BIGINT) AS second_token
FROM chain.preparations AS p
CROSS JOIN book.protocol AS k
JOIN dim.tokens AS a ON a.condition = p.condition AND a.outcome_index = 0
    AND a.collateral = CASE WHEN p.oracle = k.neg_risk_adapter THEN k.wrapped_collateral ELSE k.collateral END
JOIN dim.tokens AS b ON b.condition = p.condition AND b.outcome_index = 1 AND b.collateral = a.collateral
WHERE p.outcome_slots = 2;
