-- One row per event of a market in the ledger. Volume in USDC, each match once.
SELECT e.event_id, e.slug, e.title, e.category, e.category_rule, e.tags, e.series_slug, e.parent_event_id,
       e.neg_risk_market_id,
       c.closed, make_timestamp(c.start_time * 1000000) AS start_time, make_timestamp(c.end_time * 1000000) AS end_time,
       m.markets, m.resolved_markets, m.trades, CAST(m.volume * 0.000001 AS DECIMAL(26, 6)) AS volume,
       make_timestamp(m.first_trade * 1000000) AS first_trade, make_timestamp(m.last_trade * 1000000) AS last_trade
FROM book.event_names AS e
JOIN (
    SELECT f.event_id, count(*) AS markets, count(f.numerators) AS resolved_markets,
           CAST(coalesce(sum(s.trades), 0) AS BIGINT) AS trades, CAST(coalesce(sum(s.volume), 0) AS BIGINT) AS volume,
           min(s.first_trade) AS first_trade, max(s.last_trade) AS last_trade
    FROM book.condition_facts AS f
    LEFT JOIN book.condition_trades AS s ON s.condition = f.condition
    WHERE f.condition IN (SELECT condition FROM book.known_conditions) GROUP BY f.event_id
) AS m ON m.event_id = e.event_id
LEFT JOIN (
    SELECT event_id, arg_max(closed, evidence_id) FILTER (closed IS NOT NULL) AS closed,
           arg_max(start_time, evidence_id) FILTER (start_time IS NOT NULL) AS start_time,
           arg_max(end_time, evidence_id) FILTER (end_time IS NOT NULL) AS end_time
    FROM claim.events GROUP BY event_id
) AS c ON c.event_id = e.event_id
