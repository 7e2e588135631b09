-- Trades (legs on chain, and imported rows that are none of them) and their volume (each match once) by what they hang
-- on: a token, or a set of ids. file is null for the chain. unconfirmed: imported rows that are no fill although
-- everything was scanned where they lie.
CREATE VIEW book.trade_attribution AS
SELECT s.file, s.token, s.trades, s.volume, s.condition, s.state, s.reason, s.verdict, s.unconfirmed,
       s.condition IS NOT NULL AS has_condition,
       f.market_id IS NOT NULL AS has_market,
       coalesce(f.category, 'Uncategorized') <> 'Uncategorized' AS has_category,
       f.numerators IS NOT NULL AS has_resolution
FROM (
    SELECT CAST(NULL AS INTEGER) AS file, c.token, c.trades, c.volume, t.condition,
           coalesce(u.state, 'attributed') AS state, u.reason, CASE WHEN u.token IS NULL THEN 'proven' END AS verdict,
           false AS unconfirmed
    FROM (
        SELECT token, count(*) AS trades,
               CAST(sum(CASE WHEN NOT once THEN 0 WHEN side = 0 THEN collateral - leftover ELSE collateral END) AS BIGINT)
                   AS volume
        FROM book.counted_fills GROUP BY token
    ) AS c
    LEFT JOIN dim.tokens AS t ON t.token = c.token
    LEFT JOIN book.unlinked_tokens AS u ON u.token = c.token
    UNION ALL
    SELECT i.file, l.token, i.trades, i.volume, l.condition, l.state, l.reason, l.verdict, i.standing = 2
    FROM book.imported_sums AS i
    JOIN book.imported_links AS l ON l.link = i.link
    WHERE i.standing <> 1
) AS s
LEFT JOIN book.condition_facts AS f ON f.condition = s.condition;
