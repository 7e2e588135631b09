-- What the open shares of one wallet would bring at the last price of their token, or, where it never traded, at what the
-- last price of the other outcome of a binary condition leaves of 1. An estimate: nobody has offered that price for so
-- many. paid of shares is the fraction of 1; timestamp is when that fill was.
WITH held AS (
    SELECT token, condition, outcome_index, held FROM book.token_positions
    WHERE account = $account AND NOT resolved AND held > 0
),
others AS (
    SELECT h.token AS held_token, t.token
    FROM held AS h
    JOIN dim.tokens AS o ON o.token = h.token
    JOIN dim.tokens AS t ON t.condition = o.condition AND t.collateral = o.collateral
        AND t.outcome_index = 1 - o.outcome_index
    JOIN book.condition_facts AS f ON f.condition = o.condition AND coalesce(f.outcome_slots, 2) = 2
),
needed AS (SELECT token FROM held UNION SELECT token FROM others),
places AS (
    SELECT token, max(tx * 65536 + log_index) AS place FROM chain.fills
    WHERE token IN (SELECT token FROM needed) AND shares > 0 GROUP BY token
),
traded AS (
    SELECT f.token, b.timestamp, f.collateral, f.shares
    FROM chain.fills AS f
    JOIN places AS p ON p.token = f.token AND p.place = f.tx * 65536 + f.log_index
    LEFT JOIN chain.blocks AS b ON b.number = f.tx // 65536
    WHERE f.token IN (SELECT token FROM needed)
    UNION ALL
    SELECT e.token, e.timestamp, e.volume, abs(e.shares) FROM book.imported_events AS e
    WHERE e.token IN (SELECT token FROM needed) AND e.shares <> 0
),
latest AS (
    SELECT token, timestamp, collateral, shares
    FROM (
        SELECT *, row_number() OVER (PARTITION BY token ORDER BY timestamp DESC NULLS LAST, collateral, shares) AS place
        FROM traded
    ) AS ranked
    WHERE place = 1
)
SELECT h.token, h.held,
       coalesce(l.timestamp, x.timestamp) AS timestamp,
       coalesce(l.collateral, x.shares - x.collateral) AS paid, coalesce(l.shares, x.shares) AS shares,
       l.token IS NOT NULL AS own
FROM held AS h
LEFT JOIN latest AS l ON l.token = h.token
LEFT JOIN others AS o ON o.held_token = h.token
LEFT JOIN latest AS x ON x.token = o.token AND x.shares >= x.collateral;
