-- Every position (token) of a condition: what a share of it paid (numerator / denominator, null while open), when its
-- condition was settled, and its last price until then. Breakdown, skill and signals all rest on these rows.
-- end_tx is the transaction key from which on the condition was settled: that of its ConditionResolution, or the first
-- block not before what a source claims; end_time in seconds since 1970, UTC. A claim without a time has neither: nobody
-- knows what came before it. closing_price: the last on chain, else of imported trades, else one less that of the other
-- outcome; of an open condition the last at all.
-- early_until and late_from are borders of transaction keys, early_end and late_start seconds: the first tenth of a market's
-- life ends before, or with, the former, the last tenth begins with the latter. A life begins when the condition is prepared
-- (else when a source says) and ends when it resolves on chain, else when a source says that it closed, or closes. Null
-- where the end is not known.
CREATE OR REPLACE TEMP TABLE traded_tokens AS
WITH moments AS (SELECT timestamp, min(number) AS number FROM chain.blocks GROUP BY timestamp),
ends AS (
    SELECT r.condition, min(r.tx) AS tx, min(b.timestamp) AS settled_at
    FROM chain.resolutions AS r JOIN chain.blocks AS b ON b.number = r.tx // 65536
    GROUP BY r.condition
    UNION ALL
    SELECT s.condition, coalesce(m.number, 9223372036854) * 65536, s.resolved_at
    FROM (
        SELECT condition, resolved_at FROM book.resolution_facts
        WHERE tx IS NULL AND numerators IS NOT NULL AND resolved_at IS NOT NULL
    ) AS s
    ASOF LEFT JOIN moments AS m ON s.resolved_at <= m.timestamp
),
wanted AS (SELECT * FROM book.token_facts WHERE condition IS NOT NULL {wanted}),
lives AS (
    SELECT f.condition, coalesce(b.timestamp, n.start_time) AS opened,
           coalesce(r.timestamp, n.closed_time, n.end_time) AS closed
    FROM book.condition_facts AS f
    LEFT JOIN chain.blocks AS b ON b.number = f.prepared_tx // 65536
    LEFT JOIN chain.blocks AS r ON r.number = f.resolved_tx // 65536
    LEFT JOIN (
        SELECT condition, max(start_time) AS start_time, max(closed_time) AS closed_time, max(end_time) AS end_time
        FROM claim.markets WHERE verdict IN ('proven', 'claimed') GROUP BY condition
    ) AS n ON n.condition = f.condition
),
tenths AS (
    SELECT condition, opened + (closed - opened) // 10 AS early_end, closed - (closed - opened) // 10 AS late_start
    FROM lives WHERE closed > opened
),
borders AS (
    SELECT e.condition, e.early_end, e.late_start, coalesce(a.number, 9223372036854) * 65536 AS early_until,
           coalesce(z.number, 9223372036854) * 65536 AS late_from
    FROM tenths AS e
    ASOF LEFT JOIN moments AS a ON e.early_end < a.timestamp
    ASOF LEFT JOIN moments AS z ON e.late_start <= z.timestamp
),
closing AS (
    SELECT f.token, arg_max(f.collateral / f.shares, f.tx * 65536 + f.log_index) AS price
    FROM chain.fills AS f
    JOIN wanted AS t ON t.token = f.token
    LEFT JOIN ends AS e ON e.condition = t.condition
    WHERE {closing} AND f.shares > 0 AND (e.tx IS NULL OR f.tx < e.tx)
    GROUP BY f.token
),
imported_closing AS (
    SELECT e.token, arg_max(e.volume / abs(e.shares), e.timestamp) AS price
    FROM book.imported_events AS e
    JOIN wanted AS t ON t.token = e.token
    LEFT JOIN book.settled_times AS s ON s.condition = t.condition
    WHERE {imports} AND e.shares <> 0 AND (s.settled_at IS NULL OR e.timestamp < s.settled_at)
    GROUP BY e.token
),
others AS (
    SELECT t.token, k.price
    FROM dim.tokens AS t
    JOIN dim.tokens AS o ON o.condition = t.condition AND o.collateral = t.collateral
        AND o.outcome_index = 1 - t.outcome_index
    JOIN closing AS k ON k.token = o.token
)
SELECT t.token, t.condition, t.outcome_index, t.numerator, t.denominator, t.numerator / t.denominator AS payout,
       CASE WHEN t.denominator IS NOT NULL THEN e.tx END AS end_tx,
       CASE WHEN t.denominator IS NOT NULL THEN e.settled_at END AS end_time,
       coalesce(c.price, i.price, o.price_of_other) AS closing_price,
       l.early_until, l.late_from, l.early_end, l.late_start
FROM wanted AS t
LEFT JOIN borders AS l ON l.condition = t.condition
LEFT JOIN ends AS e ON e.condition = t.condition
LEFT JOIN closing AS c ON c.token = t.token
LEFT JOIN imported_closing AS i ON i.token = t.token
LEFT JOIN (SELECT token, 1 - price AS price_of_other FROM others) AS o ON o.token = t.token
