-- The volume of the wallets in batch_wallets by category and by what its fills are; counter: that of the maker legs
-- which name the wallet as their counterparty.
SELECT s.account, coalesce(f.category, 'Uncategorized') AS category, s.part, CAST(sum(s.volume) AS BIGINT) AS volume
FROM (
    SELECT f.wallet AS account, f.token, 'fill ' || f.role || ' ' || f.contract || ';' AS part,
           CASE WHEN f.side = 0 THEN f.collateral - f.leftover ELSE f.collateral END AS volume
    FROM chain.fills AS f JOIN batch_wallets AS w ON w.account = f.wallet
    UNION ALL
    SELECT f.wallet, f.token, 'leftover', f.leftover
    FROM chain.fills AS f JOIN batch_wallets AS w ON w.account = f.wallet WHERE f.side = 0 AND f.leftover <> 0
    UNION ALL
    SELECT f.counterparty, f.token, 'counter', f.collateral
    FROM chain.fills AS f JOIN batch_wallets AS w ON w.account = f.counterparty WHERE f.role = 0
) AS s
LEFT JOIN dim.tokens AS t ON t.token = s.token
LEFT JOIN book.condition_facts AS f ON f.condition = t.condition
GROUP BY s.account, f.category, s.part;
