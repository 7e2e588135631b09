-- As coverage_by, one row per group, state and reason of trades without a condition.
SELECT key, state, reason, count(*) AS trades, sum(volume) AS volume
FROM (
    SELECT {chain_key} AS key, u.state, u.reason, {chain_volume} AS volume
    FROM book.counted_fills AS f
    JOIN dim.tokens AS t ON t.token = f.token
    JOIN book.unlinked_tokens AS u ON u.token = f.token
    LEFT JOIN book.condition_facts AS c ON c.condition = -1  -- none: these have no condition
    {chain_join}
    WHERE {chain_where}
    UNION ALL
    SELECT {imported_key}, t.state, t.reason, {imported_volume}
    FROM book.imported_rows AS f
    JOIN book.imported_links AS t ON t.link = f.link AND t.state <> 'attributed' AND f.standing <> 1
    LEFT JOIN book.condition_facts AS c ON c.condition = t.condition
    {imported_join}
    WHERE {imported_where}
) AS trades
GROUP BY key, state, reason
ORDER BY key, sum(volume) DESC, state, reason;
