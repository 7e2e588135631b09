-- Transactions that rows name which say nothing else of what they traded, that no scanned block holds, and about which
-- not everybody has been asked in vain (step 1 of a link, see book.imported_rows).
CREATE OR REPLACE TEMP TABLE missing_transactions AS
SELECT t.transaction, count(*) AS trades,
       CAST(sum(CASE WHEN t.role = 0 THEN 0 ELSE coalesce(t.collateral, 0) END) AS BIGINT) AS volume,
       max(t.timestamp) AS last_trade
FROM book.imported_rows AS t
LEFT JOIN known_identities AS i ON i.identity = t.identity
WHERE t.standing <> 1 AND t.link < 0 AND (-1 - t.link) % 4 = 1 AND coalesce(i.silent, true) AND {file_where}
GROUP BY t.transaction;
