-- One row per group. {chain_key} and {imported_key} are expressions of coverage.py, {chain_volume} and
-- {imported_volume} say which legs count, {chain_join} and {imported_join} bring what the keys need, {chain_where} and {imported_where} what belongs to it.
WITH trades AS (
    SELECT {chain_key} AS key, f.wallet, t.condition, f.token AS link, coalesce(u.state, 'attributed') AS state,
           CASE WHEN u.token IS NULL THEN 'proven' END AS verdict, 0 AS standing, {chain_volume} AS volume,
           c.market_id IS NOT NULL AS has_market, c.numerators IS NOT NULL AS has_resolution,
           coalesce(c.category, 'Uncategorized') <> 'Uncategorized' AS has_category
    FROM book.counted_fills AS f
    LEFT JOIN dim.tokens AS t ON t.token = f.token
    LEFT JOIN book.unlinked_tokens AS u ON u.token = f.token
    LEFT JOIN book.condition_facts AS c ON c.condition = t.condition
    {chain_join}
    WHERE {chain_where}
    UNION ALL
    SELECT {imported_key}, f.wallet, t.condition, t.position, t.state, t.verdict, f.standing, {imported_volume},
           c.market_id IS NOT NULL, c.numerators IS NOT NULL, coalesce(c.category, 'Uncategorized') <> 'Uncategorized'
    FROM book.imported_rows AS f
    JOIN book.imported_links AS t ON t.link = f.link
    LEFT JOIN book.condition_facts AS c ON c.condition = t.condition
    {imported_join}
    WHERE {imported_where}
),
counted AS (SELECT * FROM trades WHERE standing <> 1),
groups AS (
    SELECT key,
           count(*) AS total,
           count(condition) AS condition,
           count(CASE WHEN has_market THEN 1 END) AS market,
           count(CASE WHEN has_category THEN 1 END) AS category,
           count(CASE WHEN has_resolution THEN 1 END) AS resolution,
           count(CASE WHEN state = 'pending' THEN 1 END) AS pending,
           count(CASE WHEN state = 'conflict' THEN 1 END) AS conflict,
           count(CASE WHEN state = 'unfillable' THEN 1 END) AS unfillable,
           count(CASE WHEN standing = 2 THEN 1 END) AS unconfirmed,
           sum(volume) AS volume_total,
           sum(CASE WHEN condition IS NOT NULL THEN volume ELSE 0 END) AS volume_condition,
           sum(CASE WHEN has_market THEN volume ELSE 0 END) AS volume_market,
           sum(CASE WHEN has_category THEN volume ELSE 0 END) AS volume_category,
           sum(CASE WHEN has_resolution THEN volume ELSE 0 END) AS volume_resolution,
           sum(CASE WHEN state = 'pending' THEN volume ELSE 0 END) AS volume_pending,
           sum(CASE WHEN state = 'conflict' THEN volume ELSE 0 END) AS volume_conflict,
           sum(CASE WHEN state = 'unfillable' THEN volume ELSE 0 END) AS volume_unfillable,
           sum(CASE WHEN standing = 2 THEN volume ELSE 0 END) AS volume_unconfirmed,
           count(DISTINCT condition) AS conditions_total,
           count(DISTINCT CASE WHEN has_market THEN condition END) AS conditions_market,
           count(DISTINCT CASE WHEN has_category THEN condition END) AS conditions_category,
           count(DISTINCT CASE WHEN has_resolution THEN condition END) AS conditions_resolved,
           count(DISTINCT CAST(wallet AS BIGINT) * 4294967296 + condition) AS positions_total,
           count(DISTINCT CASE WHEN has_resolution THEN CAST(wallet AS BIGINT) * 4294967296 + condition END)
               AS positions_resolved,
           count(DISTINCT CASE WHEN verdict = 'proven' THEN link END) AS links_proven,
           count(DISTINCT CASE WHEN verdict = 'claimed' THEN link END) AS links_claimed
    FROM counted GROUP BY key
),
repeated AS (
    SELECT key, count(*) AS duplicates, sum(volume) AS volume_duplicates FROM trades WHERE standing = 1 GROUP BY key
)
SELECT coalesce(g.key, r.key) AS key, coalesce(r.duplicates, 0) AS duplicates,
       coalesce(r.volume_duplicates, 0) AS volume_duplicates, g.* EXCLUDE (key)
FROM groups AS g FULL OUTER JOIN repeated AS r ON r.key = g.key
ORDER BY key;
