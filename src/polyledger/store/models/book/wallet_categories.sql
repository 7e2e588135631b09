-- One row per wallet and category; every column is additive, so a wallet's total is the sum of its rows.
CREATE VIEW book.wallet_categories AS
SELECT account, category,
       CAST(sum(realized_pnl) AS BIGINT) AS realized_pnl,
       CAST(sum(cash_flow) AS BIGINT) AS cash_flow,
       CAST(sum(settled_value) AS BIGINT) AS settled_value,
       CAST(sum(transferred_value) AS BIGINT) AS transferred_value,
       CAST(sum(cash_flow + settled_value + least_open - missing) AS BIGINT) AS low,
       CAST(sum(cash_flow + settled_value + most_open) AS BIGINT) AS high,
       CAST(sum(volume) AS BIGINT) AS volume,
       CAST(sum(resolved_volume) AS BIGINT) AS resolved_volume,
       CAST(sum(traded) AS BIGINT) AS traded_conditions,
       CAST(sum(resolved) AS BIGINT) AS resolved_conditions,
       CAST(sum(winning) AS BIGINT) AS winning_conditions,
       CAST(sum(yes) AS BIGINT) AS yes_conditions,
       CAST(sum(no) AS BIGINT) AS no_conditions,
       CAST(sum(fills) AS BIGINT) AS fills
FROM (
    SELECT account, category, coalesce(realized_pnl, 0) AS realized_pnl, cash AS cash_flow, settled AS settled_value,
           transferred_value, least_open, most_open, missing, volume,
           CASE WHEN state = 'resolved' THEN volume ELSE 0 END AS resolved_volume,
           CASE WHEN fills > 0 THEN 1 ELSE 0 END AS traded,
           CASE WHEN fills > 0 AND state = 'resolved' THEN 1 ELSE 0 END AS resolved,
           CASE WHEN fills > 0 AND state = 'resolved' AND realized_pnl > 0 THEN 1 ELSE 0 END AS winning,
           CASE WHEN bought_side = 'YES' THEN 1 ELSE 0 END AS yes,
           CASE WHEN bought_side = 'NO' THEN 1 ELSE 0 END AS no,
           fills
    FROM book.wallet_conditions
    UNION ALL
    SELECT account, category, CASE WHEN all_resolved THEN cash ELSE 0 END, cash, 0, 0, least_open, most_open,
           0, 0, 0, 0, 0, 0, 0, 0, 0
    FROM book.group_positions
) AS parts
GROUP BY account, category;
