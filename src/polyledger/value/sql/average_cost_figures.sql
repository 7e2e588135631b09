-- average_positions is what the kernel made; volume is that of the fills it was given.
WITH profit AS (
    SELECT CAST(p.account AS INTEGER) AS account, coalesce(f.category, 'Uncategorized') AS category,
           sum(p.realized_pnl) AS realized_pnl, sum(p.amount * p.average // 1000000) AS unrealized_cost
    FROM average_positions AS p
    LEFT JOIN dim.tokens AS t ON t.token = p.token
    LEFT JOIN book.condition_facts AS f ON f.condition = t.condition
    GROUP BY 1, 2
),
traded AS (
    SELECT f.wallet AS account, coalesce(k.category, 'Uncategorized') AS category,
           sum(CASE WHEN f.side = 0 THEN f.collateral - f.leftover ELSE f.collateral END) AS volume
    FROM chain.fills AS f
    LEFT JOIN dim.tokens AS t ON t.token = f.token
    LEFT JOIN book.condition_facts AS k ON k.condition = t.condition
    WHERE {fills}
    GROUP BY 1, 2
)
SELECT '0x' || lower(hex(a.address)) AS wallet, coalesce(p.category, v.category) AS category,
       CAST(p.realized_pnl AS HUGEINT) AS realized_pnl, CAST(p.unrealized_cost AS HUGEINT) AS unrealized_cost, v.volume
FROM profit AS p
FULL OUTER JOIN traded AS v ON v.account = p.account AND v.category = p.category
JOIN dim.accounts AS a ON a.account = coalesce(p.account, v.account)
ORDER BY 1, 2;
