CREATE VIEW conditions AS
SELECT '0x' || lower(hex(f.condition_id)) AS condition_id,
       '0x' || lower(hex(o.address)) AS oracle, '0x' || lower(hex(f.question_id)) AS question_id, f.outcome_slots,
       '0x' || lower(hex(g.neg_risk_market_id)) AS neg_risk_market_id, f.question_index,
       f.prepared_tx // 65536 AS prepared_block, f.resolved_tx // 65536 AS resolved_block, f.numerators AS payout_numerators,
       f.market_id, f.question, f.event_id, f.category, f.resolved_by
FROM book.condition_facts AS f
LEFT JOIN dim.accounts AS o ON o.account = f.oracle
LEFT JOIN dim.neg_risk_markets AS g ON g.neg_risk_market = f.neg_risk_market
WHERE f.condition IN (SELECT condition FROM book.known_conditions);
