-- A condition is proven where the chain prepared it; one that only claims name is a claim.
SELECT k.key, n.condition, CAST(NULL AS INTEGER) AS outcome_index, CAST(NULL AS VARCHAR) AS token,
       n.condition IN (SELECT condition FROM chain.preparations) AS proven
FROM (SELECT unnest([{keys}]) AS key) AS k
LEFT JOIN (
    SELECT d.condition, '0x' || lower(hex(d.condition_id)) AS id
    FROM dim.conditions AS d
    WHERE d.condition_id IN (SELECT from_hex(substr(key, 3)) FROM (SELECT unnest([{keys}]) AS key) AS h)
      AND (d.condition IN (SELECT condition FROM chain.preparations)
           OR d.condition IN (SELECT condition FROM book.market_names)
           OR d.condition IN (SELECT condition FROM dim.tokens WHERE condition IS NOT NULL))
) AS n ON n.id = k.key
