-- As categories_traded, of trades from the transaction $first and the second $since on.
CREATE OR REPLACE TEMP TABLE traded AS
SELECT condition, CAST(sum(trades) AS BIGINT) AS trades, CAST(sum(volume) AS BIGINT) AS volume
FROM (
    SELECT t.condition, c.trades, c.volume
    FROM (
        SELECT token, count(*) AS trades,
               sum(CASE WHEN NOT once THEN 0 WHEN side = 0 THEN collateral - leftover ELSE collateral END) AS volume
        FROM book.counted_fills WHERE tx >= $first GROUP BY token
    ) AS c
    LEFT JOIN dim.tokens AS t ON t.token = c.token
    UNION ALL
    SELECT l.condition, 1, CASE WHEN r.role = 0 THEN 0 ELSE coalesce(r.collateral, 0) END
    FROM book.imported_rows AS r JOIN book.imported_links AS l ON l.link = r.link
    WHERE r.standing <> 1 AND r.timestamp >= $since
) AS parts
GROUP BY condition;
