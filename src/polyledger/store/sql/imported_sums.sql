INSERT INTO book.imported_sums
SELECT file, link, standing, count(*) AS trades,
       CAST(sum(CASE WHEN role = 0 THEN 0 ELSE coalesce(collateral, 0) END) AS BIGINT) AS volume
FROM book.imported_rows
GROUP BY file, link, standing;
