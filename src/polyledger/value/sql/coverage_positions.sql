SELECT count(*) AS total, count(CASE WHEN resolved AND missing = 0 THEN 1 END) AS resolved
FROM book.condition_positions;
