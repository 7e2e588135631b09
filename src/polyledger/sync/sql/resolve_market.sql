-- A market id or slug that stands for several conditions resolves to none of them.
SELECT k.key, CASE WHEN n.conditions = 1 THEN n.condition END AS condition, CAST(NULL AS INTEGER) AS outcome_index,
       CAST(NULL AS VARCHAR) AS token, false AS proven
FROM (SELECT unnest([{keys}]) AS key) AS k
LEFT JOIN (
    SELECT {column} AS id, min(condition) AS condition, count(DISTINCT condition) AS conditions
    FROM book.market_names WHERE {column} IN ({keys}) GROUP BY {column}
) AS n ON n.id = k.key
