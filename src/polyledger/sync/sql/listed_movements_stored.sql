-- The movements that earlier runs stored under this name, from a second on, equal ones with their number.
SELECT x.hash, m.kind, c.condition_id, m.shares, m.collateral, m.timestamp, count(*) AS count
FROM imported.movements AS m
JOIN imported.transactions AS x ON x.transaction = m.transaction
LEFT JOIN dim.conditions AS c ON c.condition = m.condition
WHERE m.source = $name AND m.timestamp >= $start
GROUP BY x.hash, m.kind, c.condition_id, m.shares, m.collateral, m.timestamp;
