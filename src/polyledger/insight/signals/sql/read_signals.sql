-- What the rules in force have found, newest first.
SELECT s.*, '0x' || lower(hex(x.hash)) AS transaction_hash
FROM insight.signals AS s
JOIN chosen_rules AS c ON c.rule = s.rule AND c.definition = s.definition
LEFT JOIN chain.transactions AS x ON x.tx = s.tx
WHERE s.state = 'fired'
ORDER BY s.tx DESC, s.log_index DESC, s.rule
