-- Outcome tokens of conditions on chain, and of those that imported rows mean. verdict is proven where recomputing the id
-- from the condition gives the token.
CREATE VIEW tokens AS
SELECT t.token_id, '0x' || lower(hex(f.condition_id)) AS condition_id, t.outcome_index,
       f.outcomes[t.outcome_index + 1] AS outcome, '0x' || lower(hex(a.address)) AS collateral,
       CASE WHEN t.condition IS NULL THEN 'unknown' ELSE 'proven' END AS verdict
FROM dim.tokens AS t
LEFT JOIN book.condition_facts AS f ON f.condition = t.condition
LEFT JOIN dim.accounts AS a ON a.account = t.collateral
WHERE t.condition IS NULL OR t.condition IN (SELECT condition FROM book.known_conditions);
