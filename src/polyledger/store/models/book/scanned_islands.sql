-- What has been scanned completely: merged intervals of blocks, with the times of their first and last block. A border
-- of imported logs may have no header: then the stored block next to it, inside, tells the time.
CREATE VIEW book.scanned_islands AS
WITH
spans AS (
    SELECT i.from_block, i.to_block, f.timestamp AS first_time, l.timestamp AS last_time,
           max(i.to_block) OVER (ORDER BY i.from_block, i.to_block ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
               AS before
    FROM meta.intervals AS i
    ASOF JOIN chain.blocks AS f ON i.from_block <= f.number
    ASOF JOIN chain.blocks AS l ON i.to_block >= l.number
    WHERE f.number <= i.to_block AND l.number >= i.from_block
),
numbered AS (
    SELECT from_block, to_block, first_time, last_time,
           sum(CASE WHEN from_block <= before + 1 THEN 0 ELSE 1 END) OVER (ORDER BY from_block, to_block) AS island
    FROM spans
)
SELECT min(from_block) AS from_block, max(to_block) AS to_block,
       min(first_time) AS first_time, max(last_time) AS last_time
FROM numbered GROUP BY island;
