SELECT '0x' || lower(hex(m.neg_risk_market_id)) AS "group", g.cash, g.category, g.all_resolved
FROM book.group_positions AS g
JOIN dim.neg_risk_markets AS m ON m.neg_risk_market = g.neg_risk_market
WHERE g.account = $account AND g.cash <> 0
ORDER BY "group";
