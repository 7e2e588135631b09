-- Rows counted by what they hang on (book.imported_rows says what link and standing are), without a look at all rows:
-- first as if none were matched, then the matched ones moved to their tokens, then the few special ones to where they
-- belong.
INSERT INTO book.imported_sums
WITH special AS (SELECT trade FROM imported.repeats UNION SELECT trade FROM book.imported_exceptions),
special_trades AS (
    SELECT t.trade, t.file, t.identity, CASE WHEN t.transaction IS NULL THEN 0 ELSE 1 END AS step,
           CASE WHEN t.role = 0 THEN 0 ELSE coalesce(t.collateral, 0) END AS volume
    FROM imported.trades AS t JOIN special AS s ON s.trade = t.trade
),
special_matches AS (
    SELECT m.trade, m.tx, m.token FROM imported.matches AS m JOIN special AS s ON s.trade = m.trade
),
special_rows AS (
    SELECT t.trade, t.file, t.identity, t.step, t.volume, m.tx, m.token, e.tracing,
           CASE WHEN m.tx IS NOT NULL OR r.trade IS NOT NULL THEN 1 WHEN e.unconfirmed THEN 2 ELSE 0 END AS standing
    FROM special_trades AS t
    LEFT JOIN special_matches AS m ON m.trade = t.trade
    LEFT JOIN imported.repeats AS r ON r.trade = t.trade
    LEFT JOIN book.imported_exceptions AS e ON e.trade = t.trade
),
parts AS (
    SELECT file, -1 - CAST(identity AS BIGINT) * 4 - step AS link, 0 AS standing, trades, volume
    FROM book.imported_bases
    UNION ALL
    SELECT file, -2 - CAST(identity AS BIGINT) * 4, 0, -trades, -volume FROM book.imported_matched
    UNION ALL
    SELECT file, CAST(token AS BIGINT), CASE WHEN of_receipt THEN 0 ELSE 1 END, trades, volume
    FROM book.imported_matched
    UNION ALL
    SELECT file, coalesce(CAST(token AS BIGINT), -1 - CAST(identity AS BIGINT) * 4 - step),
           CASE WHEN tx IS NULL THEN 0 ELSE 1 END, -count(*), -sum(volume)
    FROM special_rows GROUP BY ALL
    UNION ALL
    SELECT file, coalesce(CAST(token AS BIGINT), -1 - CAST(identity AS BIGINT) * 4 - coalesce(tracing, step)), standing,
           count(*), sum(volume)
    FROM special_rows GROUP BY ALL
)
SELECT file, link, CAST(standing AS UTINYINT) AS standing, CAST(sum(trades) AS BIGINT) AS trades,
       CAST(sum(volume) AS BIGINT) AS volume
FROM parts
GROUP BY file, link, standing
HAVING sum(trades) <> 0;
