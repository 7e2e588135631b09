-- One row per thing that is missing, of what: keys, trades and volume that hang on them. Reads the tables of missing_*.sql.
WITH of_conditions AS (
    SELECT condition, sum(trades) AS trades, sum(volume) AS volume FROM impact WHERE condition IS NOT NULL GROUP BY condition
),
wanted AS (
    SELECT k.*, coalesce(o.trades, 0) AS trades, coalesce(o.volume, 0) AS volume
    FROM known_conditions AS k LEFT JOIN of_conditions AS o ON o.condition = k.condition
    WHERE k.on_chain OR o.condition IS NOT NULL
       OR k.condition IN (SELECT condition FROM known_identities WHERE condition IS NOT NULL)
)
SELECT missing, of, count(*) AS keys, CAST(sum(trades) AS BIGINT) AS trades, CAST(sum(volume) AS BIGINT) AS volume
FROM (
    SELECT CASE kind WHEN 'resolution' THEN 'resolution' WHEN 'event' THEN 'tags' ELSE 'condition' END AS missing,
           CASE kind WHEN 'resolution' THEN 'condition' ELSE kind END AS of, trades, volume
    FROM missing WHERE kind <> 'market'
    UNION ALL SELECT 'condition', 'transaction', trades, volume FROM missing_transactions
    UNION ALL SELECT 'market', 'condition', trades, volume FROM wanted WHERE market_id IS NULL
    UNION ALL SELECT 'event', 'condition', trades, volume FROM wanted WHERE event_id IS NULL
    UNION ALL SELECT 'category', 'condition', trades, volume FROM wanted WHERE coalesce(category, 'Uncategorized') = 'Uncategorized'
    UNION ALL SELECT 'trade', 'file', 1, volume FROM lacking
)
GROUP BY missing, of;
