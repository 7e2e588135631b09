-- As gaps_totals.sql, one row per group and thing that is missing; only keys on which trades hang can be grouped.
WITH told AS (SELECT DISTINCT condition FROM claim.resolutions WHERE state IN ('resolved', 'void') AND verdict <> 'quarantined'),
silent AS (
    SELECT {file_part} AS part, t.transaction, CASE WHEN t.role = 0 THEN 0 ELSE coalesce(t.collateral, 0) END AS volume
    FROM book.imported_rows AS t
    JOIN missing_transactions AS x ON x.transaction = t.transaction
    LEFT JOIN known_identities AS i ON i.identity = t.identity
    {file_join}
    WHERE t.standing <> 1 AND t.link < 0 AND coalesce(i.silent, true)
)
SELECT part, missing, of, count(DISTINCT key) AS keys, CAST(sum(trades) AS BIGINT) AS trades,
       CAST(sum(volume) AS BIGINT) AS volume
FROM (
    SELECT {part} AS part, 'condition' AS missing, 'token' AS of, CAST(i.token AS VARCHAR) AS key, i.trades, i.volume
    FROM impact AS i LEFT JOIN known_conditions AS k ON k.condition = i.condition
    WHERE i.token IS NOT NULL AND i.condition IS NULL
    UNION ALL
    SELECT {part}, 'condition', CASE WHEN i.market_id IS NOT NULL THEN 'market_id' ELSE 'slug' END,
           coalesce(i.market_id, i.slug), i.trades, i.volume
    FROM impact AS i LEFT JOIN known_conditions AS k ON k.condition = i.condition
    WHERE i.condition IS NULL AND coalesce(i.market_id, i.slug) IS NOT NULL
    UNION ALL
    SELECT {silent_part}, 'condition', 'transaction', CAST(s.transaction AS VARCHAR), 1, s.volume FROM silent AS s
    UNION ALL
    SELECT {part}, 'market', 'condition', CAST(i.condition AS VARCHAR), i.trades, i.volume
    FROM impact AS i JOIN known_conditions AS k ON k.condition = i.condition WHERE k.market_id IS NULL
    UNION ALL
    SELECT {part}, 'event', 'condition', CAST(i.condition AS VARCHAR), i.trades, i.volume
    FROM impact AS i JOIN known_conditions AS k ON k.condition = i.condition WHERE k.event_id IS NULL
    UNION ALL
    SELECT {part}, 'category', 'condition', CAST(i.condition AS VARCHAR), i.trades, i.volume
    FROM impact AS i JOIN known_conditions AS k ON k.condition = i.condition
    WHERE coalesce(k.category, 'Uncategorized') = 'Uncategorized'
    UNION ALL
    SELECT {part}, 'resolution', 'condition', CAST(i.condition AS VARCHAR), i.trades, i.volume
    FROM impact AS i JOIN known_conditions AS k ON k.condition = i.condition
    WHERE NOT k.resolved AND k.condition NOT IN (SELECT condition FROM told)
    UNION ALL
    SELECT {lacking_part}, 'trade', 'file', l.leg, 1, l.volume FROM lacking AS l
    LEFT JOIN known_conditions AS k ON k.condition = l.condition
)
GROUP BY part, missing, of;
