-- Each taker leg has its OrdersMatched and the other way round, and equals the sum of its maker legs (a micro-unit per
-- maker leg may be lost to rounding).
WITH witnesses AS (
    SELECT tx, contract, order_hash, wallet, side, token, shares, collateral, sum(n) AS n
    FROM (
        SELECT tx, contract, order_hash, wallet, side, token, shares, collateral, 1 AS n FROM chain.fills
        WHERE role = 1 AND tx BETWEEN $first AND $last
        UNION ALL
        SELECT tx, contract, order_hash, wallet, side, token, shares, collateral, -1 FROM chain.matches
        WHERE tx BETWEEN $first AND $last
    ) AS both_sides
    GROUP BY tx, contract, order_hash, wallet, side, token, shares, collateral
    HAVING sum(n) <> 0
),
legs AS (
    SELECT t.tx, t.log_index, t.side,
           CASE WHEN t.side = 0 THEN t.shares ELSE t.collateral END AS stated,
           CASE WHEN t.side = 0 THEN t.collateral ELSE t.shares END AS given,
           t.leftover, count(m.tx) AS makers,
           sum(CASE WHEN t.side = 0 THEN m.shares WHEN m.token = t.token THEN m.collateral
                    ELSE m.shares - m.collateral END) AS received,
           sum(CASE WHEN t.side = 1 THEN m.shares WHEN m.token = t.token THEN m.collateral
                    ELSE m.shares - m.collateral END) AS used
    FROM chain.fills AS t
    LEFT JOIN chain.fills AS m ON m.tx = t.tx AND m.contract = t.contract AND m.role = 0
        AND m.match_log_index = t.log_index AND m.tx BETWEEN $first AND $last
    WHERE t.role = 1 AND t.tx BETWEEN $first AND $last
    GROUP BY t.tx, t.log_index, t.side, t.shares, t.collateral, t.leftover
)
SELECT '0x' || lower(hex(x.hash)) AS subject,
       CASE WHEN w.n > 0 THEN 'a taker leg without its OrdersMatched' ELSE 'an OrdersMatched without its taker leg' END
           AS detail
FROM witnesses AS w JOIN chain.transactions AS x ON x.tx = w.tx
UNION ALL
SELECT '0x' || lower(hex(x.hash)),
       'log ' || CAST(l.log_index AS VARCHAR) || ': the taker leg states ' || CAST(l.stated AS VARCHAR)
           || ' received, its ' || CAST(l.makers AS VARCHAR) || ' maker legs give '
           || CAST(coalesce(l.received, 0) AS VARCHAR)
FROM legs AS l JOIN chain.transactions AS x ON x.tx = l.tx
WHERE l.makers = 0 OR abs(l.stated - l.received) > l.makers OR l.given < l.used;
