-- Trades (legs on chain, and imported rows that are none of them), volume (each match once), wallets and the first and
-- last trade of each condition. Times in seconds since 1970, UTC.
CREATE VIEW book.condition_trades AS
SELECT condition, count(*) AS trades, CAST(sum(volume) AS BIGINT) AS volume, count(DISTINCT wallet) AS wallets,
       min(timestamp) AS first_trade, max(timestamp) AS last_trade
FROM (
    SELECT t.condition, f.wallet, b.timestamp,
           CASE WHEN f.role = 0 THEN 0 WHEN f.side = 0 THEN f.collateral - f.leftover ELSE f.collateral END AS volume
    FROM chain.fills AS f
    JOIN dim.tokens AS t ON t.token = f.token
    LEFT JOIN chain.blocks AS b ON b.number = f.tx // 65536
    UNION ALL
    SELECT l.condition, i.wallet, i.timestamp, CASE WHEN i.role = 0 THEN 0 ELSE coalesce(i.collateral, 0) END
    FROM book.imported_rows AS i
    JOIN book.imported_links AS l ON l.link = i.link
    WHERE i.standing = 0
) AS trades
WHERE condition IS NOT NULL
GROUP BY condition;
