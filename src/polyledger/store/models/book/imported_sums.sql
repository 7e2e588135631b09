-- Imported trades counted by file, standing and what they mean. volume counts each match once: maker legs have none, a
-- row without a role counts.
CREATE VIEW book.imported_sums AS
SELECT file, link, standing, count(*) AS trades,
       CAST(sum(CASE WHEN role = 0 THEN 0 ELSE coalesce(collateral, 0) END) AS BIGINT) AS volume
FROM book.imported_rows
GROUP BY file, link, standing;
