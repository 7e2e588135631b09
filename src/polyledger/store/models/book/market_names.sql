-- One row per condition that a source has named: fields merged by precedence of sources (question: CLOB before Gamma;
-- market, event, tags: Gamma, which alone has them). Refuted claims take no part.
CREATE VIEW book.market_names AS
WITH latest AS (
    SELECT source, condition, max(evidence_id) AS evidence_id
    FROM claim.markets WHERE verdict NOT IN ('refuted', 'quarantined') GROUP BY source, condition
),
-- A source may name several markets for one condition in one answer: the lowest id stands, the others stay claims.
chosen AS (
    SELECT m.source, m.condition, m.evidence_id, min(coalesce(m.market_id, '')) AS market_id
    FROM claim.markets AS m
    JOIN latest AS l ON l.source = m.source AND l.condition = m.condition AND l.evidence_id = m.evidence_id
    WHERE m.verdict NOT IN ('refuted', 'quarantined')
    GROUP BY m.source, m.condition, m.evidence_id
),
current AS (
    SELECT m.* FROM claim.markets AS m
    JOIN chosen AS l ON l.source = m.source AND l.condition = m.condition AND l.evidence_id = m.evidence_id
        AND l.market_id = coalesce(m.market_id, '')
),
gamma AS (SELECT * FROM current WHERE source = 'gamma'),
clob AS (SELECT * FROM current WHERE source = 'clob'),
named AS (SELECT DISTINCT condition FROM current)
SELECT n.condition,
       g.market_id,
       coalesce(c.question, g.question) AS question,
       coalesce(c.slug, g.slug) AS slug,
       coalesce(c.outcomes, g.outcomes) AS outcomes,
       g.event_id,
       g.category AS market_category,
       coalesce(g.tags, c.tags) AS tags,
       coalesce(g.closed, c.closed) AS closed,
       coalesce(g.end_date, c.end_date) AS end_date,
       CASE WHEN g.condition IS NOT NULL THEN 'gamma' ELSE 'clob' END AS source
FROM named AS n
LEFT JOIN gamma AS g ON g.condition = n.condition
LEFT JOIN clob AS c ON c.condition = n.condition;
