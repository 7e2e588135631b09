-- One row per market that a source has named. Volume in USDC, each match once.
SELECT f.market_id, '0x' || lower(hex(f.condition_id)) AS condition_id, f.question, f.slug, f.outcomes, t.token_ids,
       f.event_id, e.slug AS event_slug, e.title AS event_title, e.series_slug, f.category,
       coalesce(n.tags, e.tags) AS tags,
       coalesce('0x' || lower(hex(g.neg_risk_market_id)), e.neg_risk_market_id) AS neg_risk_market_id, f.question_index,
       f.closed, f.end_date, make_timestamp(c.start_time * 1000000) AS start_time,
       make_timestamp(c.end_time * 1000000) AS end_time, make_timestamp(c.closed_time * 1000000) AS closed_time,
       make_timestamp(p.timestamp * 1000000) AS prepared_at, make_timestamp(r.timestamp * 1000000) AS resolved_at,
       coalesce(s.trades, 0) AS trades, CAST(coalesce(s.volume, 0) * 0.000001 AS DECIMAL(26, 6)) AS volume,
       n.market_id_verdict AS verdict, f.named_by AS source
FROM book.condition_facts AS f
JOIN book.market_names AS n ON n.condition = f.condition
LEFT JOIN book.event_names AS e ON e.event_id = f.event_id
LEFT JOIN (
    SELECT condition, arg_max(start_time, evidence_id) FILTER (start_time IS NOT NULL) AS start_time,
           arg_max(end_time, evidence_id) FILTER (end_time IS NOT NULL) AS end_time,
           arg_max(closed_time, evidence_id) FILTER (closed_time IS NOT NULL) AS closed_time
    FROM claim.markets WHERE verdict NOT IN ('refuted', 'quarantined') GROUP BY condition
) AS c ON c.condition = f.condition
LEFT JOIN book.condition_tokens AS t ON t.condition = f.condition
LEFT JOIN book.condition_trades AS s ON s.condition = f.condition
LEFT JOIN dim.neg_risk_markets AS g ON g.neg_risk_market = f.neg_risk_market
LEFT JOIN chain.blocks AS p ON p.number = f.prepared_tx // 65536
LEFT JOIN chain.blocks AS r ON r.number = f.resolved_tx // 65536
WHERE f.condition IN (SELECT condition FROM book.known_conditions)
