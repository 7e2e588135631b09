-- What imported rows said of themselves, before anything was looked up: those that brought a condition, and those that
-- brought a market's number. Rows that count (not the duplicates), by month and source. A fill on chain
-- brings a token and nothing else, so the chain has no rows here.
SELECT coalesce(strftime(make_timestamp(f.timestamp * 1000000), '%Y-%m'), 'unknown') AS month, s.source,
       count(i.condition) AS trades_condition,
       count(i.market_id) AS trades_market,
       coalesce(sum(CASE WHEN i.condition IS NOT NULL AND coalesce(f.role, 1) <> 0 THEN f.collateral END), 0)
           AS volume_condition,
       coalesce(sum(CASE WHEN i.market_id IS NOT NULL AND coalesce(f.role, 1) <> 0
                         THEN f.collateral END), 0) AS volume_market
FROM book.imported_rows AS f
JOIN imported.identities AS i ON i.identity = f.identity
JOIN book.imported_sources AS s ON s.file = f.file
WHERE f.standing <> 1
GROUP BY month, s.source
ORDER BY month, s.source;
