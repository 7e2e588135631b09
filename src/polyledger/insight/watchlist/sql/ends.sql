-- When and where each condition that matters was settled. A claimed settlement has a time and no place on the chain.
SELECT w.condition_id, b.timestamp AS time, r.tx, r.log_index
FROM watched_conditions AS w
JOIN dim.conditions AS d ON d.condition_id = w.id
JOIN chain.resolutions AS r ON r.condition = d.condition
JOIN chain.blocks AS b ON b.number = r.tx // 65536
UNION ALL
SELECT w.condition_id, s.resolved_at, 2305843009213693952, 0
FROM watched_conditions AS w
JOIN dim.conditions AS d ON d.condition_id = w.id
JOIN book.resolution_facts AS s ON s.condition = d.condition
WHERE s.tx IS NULL AND s.numerators IS NOT NULL AND s.resolved_at IS NOT NULL
