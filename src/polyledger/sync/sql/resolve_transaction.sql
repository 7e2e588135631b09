-- The fills of a transaction, on chain or from its receipt: its condition where all are of one, its token likewise.
SELECT k.key, CASE WHEN f.conditions = 1 THEN f.condition END AS condition,
       CASE WHEN f.tokens = 1 THEN f.outcome_index END AS outcome_index,
       CASE WHEN f.tokens = 1 THEN f.token_id END AS token, true AS proven
FROM (SELECT unnest([{keys}]) AS key) AS k
LEFT JOIN (
    SELECT x.id, min(t.condition) AS condition, count(DISTINCT t.condition) AS conditions,
           count(DISTINCT t.token) AS tokens, min(t.outcome_index) AS outcome_index, min(t.token_id) AS token_id
    FROM (
        SELECT '0x' || lower(hex(c.hash)) AS id, l.token
        FROM chain.transactions AS c JOIN chain.fills AS l ON l.tx = c.tx
        WHERE c.hash IN (SELECT from_hex(substr(key, 3)) FROM (SELECT unnest([{keys}]) AS key) AS h)
        UNION ALL
        SELECT '0x' || lower(hex(i.hash)), r.token
        FROM imported.transactions AS i JOIN claim.receipt_fills AS r ON r.transaction = i.transaction
        WHERE i.hash IN (SELECT from_hex(substr(key, 3)) FROM (SELECT unnest([{keys}]) AS key) AS h)
    ) AS x
    JOIN dim.tokens AS t ON t.token = x.token
    GROUP BY x.id
) AS f ON f.id = k.key
