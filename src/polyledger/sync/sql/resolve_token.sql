SELECT k.key, t.condition, t.outcome_index, k.key AS token, true AS proven
FROM (SELECT unnest([{keys}]) AS key) AS k
LEFT JOIN dim.tokens AS t ON t.token_id = k.key
