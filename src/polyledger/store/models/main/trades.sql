-- Chain fills with their attribution: the trades people ask about.
CREATE VIEW trades AS
SELECT f.*, k.market_id, k.question, k.event_id, k.category, k.payout_numerators,
       CASE WHEN f.condition_id IS NULL THEN 'pending' ELSE 'attributed' END AS state, 'chain' AS source
FROM fills AS f
LEFT JOIN conditions AS k ON k.condition_id = f.condition_id;
