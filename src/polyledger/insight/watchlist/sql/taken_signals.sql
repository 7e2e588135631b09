-- The signals that strategies listen to: of the rules in force, as they are defined.
SELECT s.rule, s.tx, s.log_index, s.block_time, s.side, s.shares, s.size, s.why,
       '0x' || lower(hex(x.hash)) AS transaction_hash
FROM insight.signals AS s
JOIN chosen_rules AS c ON c.rule = s.rule AND c.definition = s.definition
LEFT JOIN chain.transactions AS x ON x.tx = s.tx
WHERE s.state = 'fired' AND s.condition IS NOT NULL
ORDER BY s.tx, s.log_index, s.rule
