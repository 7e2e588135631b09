-- Sums of the temporary table `trading` per wallet and category, and per wallet (category null): everything that skill is
-- computed from, and more. A market counts once.
SELECT account, category, CAST(count(*) AS DOUBLE) AS conditions,
       CAST(sum(CASE WHEN resolved THEN 1 ELSE 0 END) AS DOUBLE) AS resolved,
       CAST(sum(CASE WHEN resolved AND realized_pnl > 0 THEN 1 ELSE 0 END) AS DOUBLE) AS winning,
       CAST(sum(CASE WHEN resolved AND NOT tied AND hit IS NOT NULL THEN 1 ELSE 0 END) AS DOUBLE) AS hit_n,
       CAST(sum(CASE WHEN resolved AND NOT tied AND hit THEN 1 ELSE 0 END) AS DOUBLE) AS hit_k,
       sum(CASE WHEN resolved THEN CAST(realized_pnl AS DOUBLE) END) AS profit_x,
       sum(CASE WHEN resolved THEN CAST(volume AS DOUBLE) END) AS profit_w,
       sum(CASE WHEN resolved THEN CAST(realized_pnl AS DOUBLE) * realized_pnl END) AS profit_xx,
       sum(CASE WHEN resolved THEN CAST(realized_pnl AS DOUBLE) * volume END) AS profit_xw,
       sum(CASE WHEN resolved THEN CAST(volume AS DOUBLE) * volume END) AS profit_ww,
       sum(CASE WHEN resolved THEN closing_gain END) AS closing_x,
       sum(CASE WHEN resolved THEN staked END) AS closing_w,
       sum(CASE WHEN resolved THEN closing_gain * closing_gain END) AS closing_xx,
       sum(CASE WHEN resolved THEN closing_gain * staked END) AS closing_xw,
       sum(CASE WHEN resolved THEN staked * staked END) AS closing_ww,
       sum(CASE WHEN resolved THEN squared_error END) AS brier_x,
       sum(CASE WHEN resolved THEN shares END) AS brier_w,
       sum(CASE WHEN resolved THEN squared_error * squared_error END) AS brier_xx,
       sum(CASE WHEN resolved THEN squared_error * shares END) AS brier_xw,
       sum(CASE WHEN resolved THEN shares * shares END) AS brier_ww,
       sum(CASE WHEN resolved THEN expected_error END) AS expected_error{more}
FROM trading
GROUP BY GROUPING SETS ((account, category), (account))
ORDER BY account, category
