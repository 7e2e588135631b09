-- What HTTP sources said of each condition, with the verdict of the proof and where the answer is kept.
CREATE VIEW claims AS
SELECT m.source, '0x' || lower(hex(c.condition_id)) AS condition_id, m.market_id, m.question, m.event_id, m.token_ids,
       m.verdict, m.observed_at, e.request, '0x' || lower(hex(e.body_sha256)) AS evidence
FROM claim.markets AS m
JOIN dim.conditions AS c ON c.condition = m.condition
LEFT JOIN meta.evidence AS e ON e.evidence_id = m.evidence_id;
