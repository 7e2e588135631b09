-- What is added to each imported row when its file is written enriched. source says who told what the row is: chain (its
-- token is proven, or its fill was found), or the source of the market claim, or its own file. payout: USDC a share.
CREATE VIEW book.enriched_rows AS
SELECT r.trade, r.file, r.row_number, '0x' || lower(hex(c.condition_id)) AS condition_id, f.market_id, f.event_id,
       CASE WHEN l.condition IS NOT NULL THEN f.category END AS category, l.outcome_index,
       CASE WHEN list_sum(f.numerators) > 0
            THEN CAST(CAST(f.numerators[l.outcome_index + 1] AS HUGEINT) * 1000000
                      // list_sum(f.numerators) * 0.000001 AS DECIMAL(26, 6)) END AS payout,
       CASE WHEN l.condition IS NULL THEN NULL WHEN l.verdict = 'proven' THEN 'chain'
            WHEN i.condition IS NOT NULL THEN s.source ELSE coalesce(f.named_by, s.source) END AS source,
       l.verdict, l.state, l.reason, r.standing = 1 AS duplicate, r.standing = 2 AS unconfirmed
FROM book.imported_rows AS r
JOIN book.imported_links AS l ON l.link = r.link
JOIN book.imported_sources AS s ON s.file = r.file
JOIN imported.identities AS i ON i.identity = r.identity
LEFT JOIN dim.conditions AS c ON c.condition = l.condition
LEFT JOIN book.condition_facts AS f ON f.condition = l.condition;
