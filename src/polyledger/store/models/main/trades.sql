-- The trades people ask about: fills on chain, and imported rows that are none of them, each with its attribution.
-- source is chain, or file:NAME with the number of the row in it; state is attributed, pending, conflict or unfillable,
-- with the reason; unconfirmed rows are no fill although everything was scanned where they lie.
CREATE VIEW trades AS
SELECT f.*, k.market_id, k.question, k.event_id, k.category, k.payout_numerators,
       coalesce(u.state, 'attributed') AS state, u.reason,
       CASE WHEN u.token_id IS NULL THEN 'proven' END AS verdict,
       'chain' AS source, CAST(NULL AS BIGINT) AS row_number, false AS unconfirmed
FROM fills AS f
LEFT JOIN conditions AS k ON k.condition_id = f.condition_id
LEFT JOIN (
    SELECT t.token_id, n.state, n.reason FROM book.unlinked_tokens AS n JOIN dim.tokens AS t ON t.token = n.token
) AS u ON u.token_id = f.token_id
UNION ALL
SELECT CAST(NULL AS BIGINT), make_timestamp(r.timestamp * 1000000), '0x' || lower(hex(x.hash)), r.log_index,
       '0x' || lower(hex(a.address)), '0x' || lower(hex(o.address)), NULL,
       CASE r.role WHEN 0 THEN 'maker' WHEN 1 THEN 'taker' END, CASE r.side WHEN 0 THEN 'BUY' WHEN 1 THEN 'SELL' END,
       t.token_id, '0x' || lower(hex(c.condition_id)), l.outcome_index,
       r.shares, r.collateral, CAST(NULL AS BIGINT), r.fee, CAST(NULL AS BIGINT), NULL, NULL, NULL,
       f.market_id, f.question, f.event_id, f.category, f.numerators,
       l.state, l.reason, l.verdict, s.source, r.row_number, r.standing = 2
FROM book.imported_rows AS r
JOIN book.imported_links AS l ON l.link = r.link
JOIN book.imported_sources AS s ON s.file = r.file
LEFT JOIN imported.transactions AS x ON x.transaction = r.transaction
LEFT JOIN dim.accounts AS a ON a.account = r.wallet
LEFT JOIN dim.accounts AS o ON o.account = r.counterparty
LEFT JOIN dim.tokens AS t ON t.token = l.token
LEFT JOIN dim.conditions AS c ON c.condition = l.condition
LEFT JOIN book.condition_facts AS f ON f.condition = l.condition
WHERE r.standing <> 1;
