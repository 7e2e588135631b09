-- One row per event: the latest claim, with its tags and its category (its own if set, else the first matching tag of the
-- category table, else Uncategorized). An answer about a market names its event without much: tags, series and parent are
-- those of the last claim that has some; tags else those that came with the event's markets.
CREATE VIEW book.event_names AS
WITH latest AS (SELECT event_id, max(evidence_id) AS evidence_id FROM claim.events GROUP BY event_id),
told AS (
    SELECT event_id, arg_max(tags, CASE WHEN tags IS NOT NULL THEN evidence_id END) AS tags,
           arg_max(series_slug, CASE WHEN series_slug IS NOT NULL THEN evidence_id END) AS series_slug,
           arg_max(parent_event_id, CASE WHEN parent_event_id IS NOT NULL THEN evidence_id END) AS parent_event_id
    FROM claim.events GROUP BY event_id
),
market_tags AS (
    SELECT event_id, arg_max(tags, evidence_id) AS tags FROM claim.markets
    WHERE tags IS NOT NULL AND event_id IS NOT NULL AND verdict NOT IN ('refuted', 'quarantined')
    GROUP BY event_id
),
current AS (
    SELECT e.event_id, e.title, e.slug, t.series_slug, t.parent_event_id, e.neg_risk_market_id, e.category,
           coalesce(t.tags, m.tags) AS tags
    FROM claim.events AS e
    JOIN latest AS l ON l.event_id = e.event_id AND l.evidence_id = e.evidence_id
    JOIN told AS t ON t.event_id = e.event_id
    LEFT JOIN market_tags AS m ON m.event_id = e.event_id
),
tagged AS (
    SELECT t.event_id, min(k.position) AS position
    FROM (SELECT event_id, unnest(tags) AS tag FROM current) AS t
    JOIN book.categories AS k ON k.tag = t.tag
    GROUP BY t.event_id
)
SELECT c.event_id, c.title, c.slug, c.series_slug, c.parent_event_id, c.neg_risk_market_id, c.tags,
       coalesce(nullif(c.category, ''), k.category, 'Uncategorized') AS category,
       CASE WHEN nullif(c.category, '') IS NOT NULL THEN 'event' WHEN k.category IS NOT NULL THEN 'tag:' || k.tag
            ELSE 'none' END AS category_rule
FROM current AS c
LEFT JOIN tagged AS t ON t.event_id = c.event_id
LEFT JOIN book.categories AS k ON k.position = t.position;
