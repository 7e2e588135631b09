CREATE OR REPLACE TEMP TABLE changed_files AS
SELECT coalesce(t.file, b.file) AS file
FROM (SELECT file, count(*) AS trades FROM imported.trades GROUP BY file) AS t
FULL JOIN (SELECT file, sum(trades) AS trades FROM book.imported_bases GROUP BY file) AS b ON b.file = t.file
WHERE t.trades IS DISTINCT FROM b.trades;

DELETE FROM book.imported_bases WHERE file IN (SELECT file FROM changed_files);

INSERT INTO book.imported_bases
SELECT t.file, t.identity, CASE WHEN t.transaction IS NULL THEN 0 ELSE 1 END AS step, count(*) AS trades,
       CAST(sum(CASE WHEN t.role = 0 THEN 0 ELSE coalesce(t.collateral, 0) END) AS BIGINT) AS volume
FROM imported.trades AS t
JOIN changed_files AS c ON c.file = t.file
GROUP BY t.file, t.identity, t.transaction IS NULL;

DROP TABLE changed_files;
