-- What has been scanned completely, as times: merged intervals of blocks with the times of their first and last block,
-- one row per day they touch, so that a row's time finds its interval by its day.
CREATE VIEW book.scanned_times AS
SELECT d.day, greatest(i.first_time, d.day * 86400) AS first_time, least(i.last_time, d.day * 86400 + 86399) AS last_time
FROM book.scanned_islands AS i
JOIN (SELECT unnest(range(16000, 40000)) AS day) AS d
    ON d.day BETWEEN i.first_time // 86400 AND i.last_time // 86400;
