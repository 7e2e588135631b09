-- From when to when a market lived, as borders of transaction keys: its first tenth ends before early_until, its last
-- tenth begins at late_from (early_end and late_start are the last and the first second of them). A life begins when the condition is prepared (else with its first fill) and ends when it
-- resolves on chain, else when a source says that it closed, or closes. Null where the end is not known.
CREATE OR REPLACE TEMP TABLE market_lives AS
WITH lives AS (
    SELECT f.condition,
           coalesce(b.timestamp, n.start_time) AS opened,
           coalesce(r.timestamp, n.closed_time, n.end_time) AS closed
    FROM book.condition_facts AS f
    LEFT JOIN chain.blocks AS b ON b.number = f.prepared_tx // 65536
    LEFT JOIN chain.blocks AS r ON r.number = f.resolved_tx // 65536
    LEFT JOIN (
        SELECT condition, max(start_time) AS start_time, max(closed_time) AS closed_time, max(end_time) AS end_time
        FROM claim.markets WHERE verdict IN ('proven', 'claimed') GROUP BY condition
    ) AS n ON n.condition = f.condition
),
borders AS (
    SELECT condition, opened + (closed - opened) // 10 AS early_end, closed - (closed - opened) // 10 AS late_start
    FROM lives WHERE closed > opened
),
moments AS (SELECT timestamp, min(number) AS number FROM chain.blocks GROUP BY timestamp)
SELECT e.condition, e.early_end, e.late_start,
       coalesce(a.number, 9223372036854) * 65536 AS early_until,
       coalesce(z.number, 9223372036854) * 65536 AS late_from
FROM borders AS e
ASOF LEFT JOIN moments AS a ON e.early_end < a.timestamp
ASOF LEFT JOIN moments AS z ON e.late_start <= z.timestamp
