-- One row per group; {key} is one of the expressions in coverage.py, {volume} which legs count.
SELECT {key} AS key,
       count(*) AS total,
       count(t.condition) AS condition,
       count(c.market_id) AS market,
       count(CASE WHEN coalesce(c.category, 'Uncategorized') <> 'Uncategorized' THEN 1 END) AS category,
       count(c.numerators) AS resolution,
       count(*) - count(t.condition) AS pending,
       sum({volume}) AS volume_total,
       sum(CASE WHEN t.condition IS NOT NULL THEN {volume} ELSE 0 END) AS volume_condition,
       sum(CASE WHEN c.market_id IS NOT NULL THEN {volume} ELSE 0 END) AS volume_market,
       sum(CASE WHEN coalesce(c.category, 'Uncategorized') <> 'Uncategorized' THEN {volume} ELSE 0 END)
           AS volume_category,
       sum(CASE WHEN c.numerators IS NOT NULL THEN {volume} ELSE 0 END) AS volume_resolution,
       sum(CASE WHEN t.condition IS NULL THEN {volume} ELSE 0 END) AS volume_pending,
       count(DISTINCT t.condition) AS conditions_total,
       count(DISTINCT CASE WHEN c.market_id IS NOT NULL THEN t.condition END) AS conditions_market,
       count(DISTINCT CASE WHEN coalesce(c.category, 'Uncategorized') <> 'Uncategorized' THEN t.condition END)
           AS conditions_category,
       count(DISTINCT CASE WHEN c.numerators IS NOT NULL THEN t.condition END) AS conditions_resolved,
       count(DISTINCT CAST(f.wallet AS BIGINT) * 4294967296 + t.condition) AS positions_total,
       count(DISTINCT CASE WHEN c.numerators IS NOT NULL
                      THEN CAST(f.wallet AS BIGINT) * 4294967296 + t.condition END) AS positions_resolved,
       count(DISTINCT CASE WHEN t.condition IS NOT NULL THEN f.token END) AS links_proven
FROM chain.fills AS f
LEFT JOIN dim.tokens AS t ON t.token = f.token
LEFT JOIN book.condition_facts AS c ON c.condition = t.condition
{join}
GROUP BY {key}
ORDER BY key;
