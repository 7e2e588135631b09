-- How much of the trades (legs on chain and imported rows that are none of them) and of the volume (each match once,
-- 1e-6 USDC) is attributed, and the state of the rest. unconfirmed rows count in all of them.
CREATE VIEW coverage AS
WITH sums AS (
    SELECT has_condition, has_market, has_category, has_resolution, state, unconfirmed,
           sum(trades) AS trades, sum(volume) AS volume
    FROM book.trade_attribution
    GROUP BY has_condition, has_market, has_category, has_resolution, state, unconfirmed
),
measured AS (
    SELECT 'trades' AS measure, trades AS amount, has_condition, has_market, has_category, has_resolution, state,
           unconfirmed
    FROM sums
    UNION ALL
    SELECT 'volume', volume, has_condition, has_market, has_category, has_resolution, state, unconfirmed FROM sums
),
repeated AS (
    SELECT sum(trades) AS trades, sum(volume) AS volume FROM book.imported_sums WHERE standing = 1
)
SELECT m.measure, CAST(sum(m.amount) AS BIGINT) AS total,
       CAST(sum(CASE WHEN m.has_condition THEN m.amount ELSE 0 END) AS BIGINT) AS condition,
       CAST(sum(CASE WHEN m.has_market THEN m.amount ELSE 0 END) AS BIGINT) AS market,
       CAST(sum(CASE WHEN m.has_category THEN m.amount ELSE 0 END) AS BIGINT) AS category,
       CAST(sum(CASE WHEN m.has_resolution THEN m.amount ELSE 0 END) AS BIGINT) AS resolution,
       CAST(sum(CASE WHEN m.state = 'pending' THEN m.amount ELSE 0 END) AS BIGINT) AS pending,
       CAST(sum(CASE WHEN m.state = 'conflict' THEN m.amount ELSE 0 END) AS BIGINT) AS conflict,
       CAST(sum(CASE WHEN m.state = 'unfillable' THEN m.amount ELSE 0 END) AS BIGINT) AS unfillable,
       CAST(coalesce(max(CASE WHEN m.measure = 'trades' THEN r.trades ELSE r.volume END), 0) AS BIGINT) AS duplicates,
       CAST(sum(CASE WHEN m.unconfirmed THEN m.amount ELSE 0 END) AS BIGINT) AS unconfirmed
FROM measured AS m CROSS JOIN repeated AS r
GROUP BY m.measure;
