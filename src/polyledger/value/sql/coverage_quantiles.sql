-- Quartiles of the shares that coverage_distribution counts.
SELECT quantile_cont(resolved / nullif(traded, 0), [0.25, 0.5, 0.75]) AS conditions,
       quantile_cont(resolved_volume / nullif(volume, 0), [0.25, 0.5, 0.75]) AS volume
FROM (
    SELECT account, sum(resolved_conditions) AS resolved, sum(traded_conditions) AS traded,
           sum(resolved_volume) AS resolved_volume, sum(volume) AS volume
    FROM book.wallet_categories
    WHERE $category IS NULL OR category = $category
    GROUP BY account
) AS wallets;
