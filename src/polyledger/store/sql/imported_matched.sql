INSERT INTO book.imported_matched
SELECT file, identity, token, tx IS NULL AS of_receipt, count(*) AS trades, CAST(sum(volume) AS BIGINT) AS volume
FROM imported.matches
GROUP BY file, identity, token, tx IS NULL;
