-- What the chain says each token is: tokens derived from conditions that blocks prepare, register or resolve.
CREATE VIEW rpc_mapping AS
SELECT t.token_id, '0x' || lower(hex(f.condition_id)) AS condition_id, t.outcome_index,
       f.outcomes[t.outcome_index + 1] AS outcome, 'proven' AS verdict,
       make_timestamp(b.timestamp * 1000000) AS observed_at, '0x' || lower(hex(x.hash)) AS evidence
FROM dim.tokens AS t
JOIN book.condition_facts AS f ON f.condition = t.condition AND f.on_chain
LEFT JOIN chain.transactions AS x ON x.tx = f.prepared_tx
LEFT JOIN chain.blocks AS b ON b.number = f.prepared_tx // 65536;
