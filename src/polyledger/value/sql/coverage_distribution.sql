-- How many wallets have which share of their conditions, and of their volume, settled: tenths 0 … 9, 10 for all of it, null
-- where there is nothing to settle.
WITH wallets AS (
    SELECT account, sum(resolved_conditions) AS resolved, sum(traded_conditions) AS traded,
           sum(resolved_volume) AS resolved_volume, sum(volume) AS volume, sum(realized_pnl) AS realized_pnl
    FROM book.wallet_categories
    WHERE $category IS NULL OR category = $category
    GROUP BY account
),
shares AS (
    SELECT 'conditions' AS measure, CASE WHEN traded > 0 THEN CAST(resolved * 10 // traded AS INTEGER) END AS tenth,
           CASE WHEN traded > 0 THEN resolved / traded END AS share, volume, realized_pnl
    FROM wallets
    UNION ALL
    SELECT 'volume', CASE WHEN volume > 0 THEN CAST(resolved_volume * 10 // volume AS INTEGER) END,
           CASE WHEN volume > 0 THEN resolved_volume / volume END, volume, realized_pnl
    FROM wallets
)
SELECT measure, tenth, count(*) AS wallets, CAST(sum(volume) AS BIGINT) AS volume,
       CAST(sum(realized_pnl) AS BIGINT) AS realized_pnl
FROM shares GROUP BY measure, tenth
ORDER BY measure, tenth;
