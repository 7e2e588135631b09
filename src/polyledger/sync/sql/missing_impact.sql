-- What hangs on each token, condition, market id and slug: trades (legs on chain, imported rows that are no duplicates),
-- volume (each match once, 1e-6 USDC) and the time of the last trade (seconds since 1970, UTC). Rows that only their
-- transaction identifies have none of the four. part is what figures are grouped by, null when they are not.
-- {own} is true where each wallet's own legs count.
CREATE OR REPLACE TEMP TABLE impact AS
WITH of_chain AS (
    SELECT f.token, {chain_part} AS part, count(*) AS trades,
           CAST(sum(CASE WHEN NOT (f.once OR {own}) THEN 0 WHEN f.side = 0 THEN f.collateral - f.leftover ELSE f.collateral END)
                AS BIGINT) AS volume,
           max(f.tx // 65536) AS last_block
    FROM book.counted_fills AS f {chain_join}
    WHERE {chain_where}
    GROUP BY f.token, part
),
of_files AS (
    SELECT t.identity, CASE WHEN t.link >= 0 THEN t.link END AS token, {file_part} AS part, count(*) AS trades,
           CAST(sum(CASE WHEN t.role = 0 AND NOT {own} THEN 0 ELSE coalesce(t.collateral, 0) END) AS BIGINT) AS volume,
           max(t.timestamp) AS last_trade
    FROM book.imported_rows AS t {file_join}
    WHERE t.standing <> 1 AND {file_where}
    GROUP BY t.identity, CASE WHEN t.link >= 0 THEN t.link END, part
)
SELECT c.token, t.condition, CAST(NULL AS VARCHAR) AS market_id,
       CAST(NULL AS VARCHAR) AS slug, c.part, c.trades, c.volume, b.timestamp AS last_trade
FROM of_chain AS c
JOIN dim.tokens AS t ON t.token = c.token
LEFT JOIN chain.blocks AS b ON b.number = c.last_block
UNION ALL
SELECT coalesce(f.token, i.token), CASE WHEN f.token IS NULL THEN i.condition ELSE t.condition END, i.market_id, i.slug,
       f.part, f.trades, f.volume, f.last_trade
FROM of_files AS f
LEFT JOIN known_identities AS i ON i.identity = f.identity
LEFT JOIN dim.tokens AS t ON t.token = f.token;
