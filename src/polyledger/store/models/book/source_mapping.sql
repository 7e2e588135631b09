-- Claims about tokens with long ids and the answer that each rests on.
CREATE VIEW book.source_mapping AS
SELECT c.source, c.token_id, '0x' || lower(hex(d.condition_id)) AS condition_id, c.outcome_index, c.outcome, c.verdict,
       c.observed_at, '0x' || lower(hex(e.body_sha256)) AS evidence
FROM book.token_claims AS c
LEFT JOIN dim.conditions AS d ON d.condition = c.condition
LEFT JOIN meta.evidence AS e ON e.evidence_id = c.evidence_id;
