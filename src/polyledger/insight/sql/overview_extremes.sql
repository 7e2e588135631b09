-- The figures of the wallets that made most (order 1) and least (order -1): $order, $limit.
SELECT '0x' || lower(hex(a.address)) AS wallet, p.*
FROM (
    SELECT account, row_number() OVER (ORDER BY $order * realized_pnl DESC, d.address) AS place
    FROM overview_wallets JOIN dim.accounts AS d USING (account)
    WHERE $order * realized_pnl > 0
    ORDER BY place LIMIT $limit
) AS w
JOIN overview_parts AS p ON p.account = w.account
JOIN dim.accounts AS a ON a.account = w.account
ORDER BY w.place, p.category;
