CREATE VIEW markets AS
SELECT f.market_id, '0x' || lower(hex(f.condition_id)) AS condition_id, f.question, f.slug, f.outcomes, f.event_id,
       e.title AS event_title, f.category, '0x' || lower(hex(g.neg_risk_market_id)) AS neg_risk_market_id, f.closed,
       f.end_date, f.named_by AS source
FROM book.condition_facts AS f
LEFT JOIN book.event_names AS e ON e.event_id = f.event_id
LEFT JOIN dim.neg_risk_markets AS g ON g.neg_risk_market = f.neg_risk_market
WHERE f.named_by IS NOT NULL AND f.condition IN (SELECT condition FROM book.known_conditions);
