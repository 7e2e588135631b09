-- Trades (legs), volume (each match once), wallets and the first and last trade of each condition. Times in seconds
-- since 1970, UTC.
CREATE VIEW book.condition_trades AS
SELECT t.condition, count(*) AS trades,
       CAST(sum(CASE WHEN f.role = 0 THEN 0 WHEN f.side = 0 THEN f.collateral - f.leftover ELSE f.collateral END)
            AS BIGINT) AS volume,
       count(DISTINCT f.wallet) AS wallets,
       min(b.timestamp) AS first_trade, max(b.timestamp) AS last_trade
FROM chain.fills AS f
JOIN dim.tokens AS t ON t.token = f.token
LEFT JOIN chain.blocks AS b ON b.number = f.tx // 65536
WHERE t.condition IS NOT NULL
GROUP BY t.condition;
