-- Profit of all wallets by category: gains and losses of wallets apart, their sum, and what it rests on.
SELECT category, count(*) AS wallets,
       CAST(sum(realized_pnl) AS BIGINT) AS realized_pnl,
       CAST(sum(CASE WHEN realized_pnl > 0 THEN realized_pnl ELSE 0 END) AS BIGINT) AS gains,
       CAST(sum(CASE WHEN realized_pnl < 0 THEN realized_pnl ELSE 0 END) AS BIGINT) AS losses,
       count(CASE WHEN realized_pnl > 0 THEN 1 END) AS winners,
       count(CASE WHEN realized_pnl < 0 THEN 1 END) AS losers,
       CAST(sum(volume) AS BIGINT) AS volume,
       CAST(sum(resolved_volume) AS BIGINT) AS resolved_volume,
       CAST(sum(traded_conditions) AS BIGINT) AS traded,
       CAST(sum(resolved_conditions) AS BIGINT) AS resolved
FROM overview_parts
GROUP BY category
ORDER BY sum(volume) DESC, category;
