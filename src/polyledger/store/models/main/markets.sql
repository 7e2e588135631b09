-- One row per market that a source has named. prepared_at and resolved_at are block times (resolved_at of a claim: what the
-- source says, if it says), the other times are what the source that spoke last says. category_rule: event or market (their own
-- field), tag:SLUG, or none.
CREATE VIEW markets AS
SELECT f.market_id, '0x' || lower(hex(f.condition_id)) AS condition_id, f.question, f.slug, f.outcomes, f.event_id,
       e.title AS event_title, f.category, '0x' || lower(hex(g.neg_risk_market_id)) AS neg_risk_market_id, f.closed,
       f.end_date, f.named_by AS source, f.category_rule, coalesce(n.tags, e.tags) AS tags, e.series_slug,
       f.question_index, make_timestamp(c.start_time * 1000000) AS start_time,
       make_timestamp(c.end_time * 1000000) AS end_time, make_timestamp(CASE WHEN f.closed THEN c.closed_time END * 1000000) AS closed_time,
       make_timestamp(p.timestamp * 1000000) AS prepared_at, make_timestamp(coalesce(b.timestamp, s.resolved_at) * 1000000) AS resolved_at
FROM book.condition_facts AS f
LEFT JOIN book.event_names AS e ON e.event_id = f.event_id
LEFT JOIN book.market_names AS n ON n.condition = f.condition
LEFT JOIN dim.neg_risk_markets AS g ON g.neg_risk_market = f.neg_risk_market
LEFT JOIN book.resolution_facts AS s ON s.condition = f.condition AND s.numerators IS NOT NULL
LEFT JOIN chain.blocks AS b ON b.number = s.tx // 65536
LEFT JOIN chain.blocks AS p ON p.number = f.prepared_tx // 65536
LEFT JOIN (
    SELECT condition, arg_max(start_time, evidence_id) AS start_time, arg_max(end_time, evidence_id) AS end_time,
           arg_max(closed_time, evidence_id) AS closed_time
    FROM claim.markets WHERE verdict NOT IN ('refuted', 'quarantined') GROUP BY condition
) AS c ON c.condition = f.condition
WHERE f.named_by IS NOT NULL AND f.condition IN (SELECT condition FROM book.known_conditions);
