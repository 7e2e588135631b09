-- What is still open of each wallet: one row per plain condition, and one per neg-risk group, whose questions are bounded
-- together. least and most are what the open shares can still pay, in millionths of a USDC.
SELECT w.account, f.event_id, w.category, '0x' || lower(hex(c.condition_id)) AS condition,
       CAST(NULL AS VARCHAR) AS neg_risk_group, w.least_open AS least, w.most_open AS most
FROM book.wallet_conditions AS w
JOIN dim.conditions AS c ON c.condition = w.condition
JOIN book.condition_facts AS f ON f.condition = w.condition
WHERE w.state = 'open' AND w.neg_risk_market IS NULL AND (w.most_open <> 0 OR w.least_open <> 0)
UNION ALL
SELECT g.account, e.event_id, g.category, NULL, '0x' || lower(hex(m.neg_risk_market_id)), g.least_open, g.most_open
FROM book.group_positions AS g
JOIN dim.neg_risk_markets AS m ON m.neg_risk_market = g.neg_risk_market
LEFT JOIN (
    SELECT neg_risk_market, max(event_id) AS event_id FROM book.condition_facts
    WHERE neg_risk_market IS NOT NULL GROUP BY neg_risk_market
) AS e ON e.neg_risk_market = g.neg_risk_market
WHERE g.most_open <> 0 OR g.least_open <> 0
