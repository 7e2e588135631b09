-- How many wallets have how much of their conditions settled: tenths, 10 for those that have all, null for those without
-- trades of their own.
SELECT CASE WHEN traded > 0 THEN CAST(floor(10.0 * resolved / traded) AS INTEGER) END AS tenth,
       count(*) AS wallets, CAST(sum(volume) AS BIGINT) AS volume,
       count(CASE WHEN realized_pnl > 0 THEN 1 END) AS winners
FROM overview_wallets
GROUP BY tenth
ORDER BY tenth NULLS FIRST;
