-- What has been scanned completely (not for some wallets only), as times: merged intervals of blocks with the times of their first and last block,
-- one row per day they touch, so that a row's time finds its interval by its day.
CREATE VIEW book.scanned_times AS
WITH
spans AS (
    SELECT i.from_block, i.to_block, f.timestamp AS first_time, l.timestamp AS last_time,
           max(i.to_block) OVER (ORDER BY i.from_block, i.to_block ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
               AS before
    FROM meta.intervals AS i
    JOIN chain.blocks AS f ON f.number = i.from_block
    JOIN chain.blocks AS l ON l.number = i.to_block
    WHERE i.scope NOT LIKE '%:wallets=%'
),
numbered AS (
    SELECT first_time, last_time,
           sum(CASE WHEN from_block <= before + 1 THEN 0 ELSE 1 END) OVER (ORDER BY from_block, to_block) AS island
    FROM spans
),
islands AS (SELECT min(first_time) AS first_time, max(last_time) AS last_time FROM numbered GROUP BY island)
SELECT d.day, greatest(i.first_time, d.day * 86400) AS first_time, least(i.last_time, d.day * 86400 + 86399) AS last_time
FROM islands AS i
JOIN (SELECT unnest(range(16000, 40000)) AS day) AS d
    ON d.day BETWEEN i.first_time // 86400 AND i.last_time // 86400;
