-- One row per condition whose market is known, with what a look-up of it would tell and what happened in it. Volume in
-- USDC, each match once; wallets counts who has a fill of their own.
SELECT f.condition_id AS condition_id, f.market_id, f.question, f.slug, f.outcomes, f.token_ids, f.event_id,
       f.event_slug, f.event_title, f.series_slug, f.category, f.tags,
       f.neg_risk_market_id IS NOT NULL AS neg_risk, f.neg_risk_market_id, f.closed, f.end_date, f.start_time,
       f.end_time, f.closed_time, f.source, f.verdict,
       r.state AS resolution_state, r.payouts, r.winner_index, r.winner, r.source AS resolution_source,
       r.verdict AS resolution_verdict, r.resolved_at,
       coalesce(s.trades, 0) AS trades, CAST(coalesce(s.volume, 0) * 0.000001 AS DECIMAL(26, 6)) AS volume,
       coalesce(s.wallets, 0) AS wallets,
       make_timestamp(s.first_trade * 1000000) AS first_trade, make_timestamp(s.last_trade * 1000000) AS last_trade
FROM ({markets_dim}) AS f
JOIN ({resolutions}) AS r ON r.condition_id = f.condition_id
JOIN dim.conditions AS d ON '0x' || lower(hex(d.condition_id)) = f.condition_id
LEFT JOIN book.condition_trades AS s ON s.condition = d.condition
WHERE f.market_id IS NOT NULL
