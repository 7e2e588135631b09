-- One row per event of a market in the ledger: the series and the event it is part of, its markets, and when it was settled in
-- full.
CREATE VIEW events AS
SELECT e.event_id, e.title, e.slug, e.category, e.category_rule, e.tags, e.series_slug, e.parent_event_id,
       p.title AS parent_title, m.markets,
       m.resolved_markets, coalesce(m.neg_risk_market_id, e.neg_risk_market_id) AS neg_risk_market_id, c.closed,
       make_timestamp(c.start_time * 1000000) AS start_time, make_timestamp(c.end_time * 1000000) AS end_time,
       CASE WHEN m.resolved_markets = m.markets THEN make_timestamp(m.settled_at * 1000000) END AS resolved_at
FROM book.event_names AS e
LEFT JOIN book.event_names AS p ON p.event_id = e.parent_event_id
JOIN (
    SELECT f.event_id, count(*) AS markets, count(s.condition) AS resolved_markets, max(s.settled_at) AS settled_at,
           '0x' || lower(hex(min(g.neg_risk_market_id))) AS neg_risk_market_id
    FROM book.condition_facts AS f
    LEFT JOIN book.settled_times AS s ON s.condition = f.condition
    LEFT JOIN dim.neg_risk_markets AS g ON g.neg_risk_market = f.neg_risk_market
    WHERE f.condition IN (SELECT condition FROM book.known_conditions) GROUP BY f.event_id
) AS m ON m.event_id = e.event_id
LEFT JOIN (
    SELECT event_id, arg_max(closed, evidence_id) AS closed, arg_max(start_time, evidence_id) AS start_time,
           arg_max(end_time, evidence_id) AS end_time
    FROM claim.events GROUP BY event_id
) AS c ON c.event_id = e.event_id;
