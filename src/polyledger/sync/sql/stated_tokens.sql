-- What the rows of a file say of their own tokens, as far as no derivation has linked these yet.
SELECT DISTINCT t.position_id AS token, c.condition_id AS condition, i.outcome_index, i.outcome
FROM imported.identities AS i
JOIN dim.tokens AS t ON t.token = i.token
JOIN dim.conditions AS c ON c.condition = i.condition
WHERE t.condition IS NULL AND i.identity IN (SELECT identity FROM imported.trades WHERE file = $file)
ORDER BY token, condition, i.outcome_index, i.outcome;
