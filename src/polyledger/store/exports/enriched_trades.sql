-- Every imported row, duplicates included, with what it is. payout is what a share of its outcome pays, in USDC.
SELECT s.source AS file, r.row_number, make_timestamp(r.timestamp * 1000000) AS block_time,
       '0x' || lower(hex(x.hash)) AS transaction_hash, r.log_index, '0x' || lower(hex(a.address)) AS wallet,
       CASE r.side WHEN 0 THEN 'BUY' WHEN 1 THEN 'SELL' END AS side,
       CAST(r.shares * 0.000001 AS DECIMAL(26, 6)) AS shares,
       CAST(r.collateral * 0.000001 AS DECIMAL(26, 6)) AS collateral, t.token_id, e.condition_id, e.market_id,
       e.event_id, e.category, e.outcome_index, e.payout, e.source, e.verdict, e.state, e.reason, e.duplicate,
       e.unconfirmed
FROM book.imported_rows AS r
JOIN book.enriched_rows AS e ON e.trade = r.trade
JOIN book.imported_sources AS s ON s.file = r.file
JOIN book.imported_links AS l ON l.link = r.link
LEFT JOIN imported.transactions AS x ON x.transaction = r.transaction
LEFT JOIN dim.accounts AS a ON a.account = r.wallet
LEFT JOIN dim.tokens AS t ON t.token = l.token
