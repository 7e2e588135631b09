-- What HTTP sources and files said of markets, with the verdict of the proof and where the answer is kept. Refuted and
-- quarantined claims stay in it; no figure uses them.
CREATE VIEW claims AS
SELECT m.source, '0x' || lower(hex(c.condition_id)) AS condition_id, m.market_id, m.question, m.event_id, m.token_ids,
       m.verdict, m.observed_at, e.request, '0x' || lower(hex(e.body_sha256)) AS evidence, m.slug, m.category
FROM claim.markets AS m
JOIN dim.conditions AS c ON c.condition = m.condition
LEFT JOIN meta.evidence AS e ON e.evidence_id = m.evidence_id;
