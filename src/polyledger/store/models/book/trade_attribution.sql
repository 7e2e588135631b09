-- Per token: how many trades (legs) and how much volume (each match once) hang on it, and what is known of it.
CREATE VIEW book.trade_attribution AS
SELECT s.token, s.trades, s.volume, t.condition,
       t.condition IS NOT NULL AS has_condition,
       f.market_id IS NOT NULL AS has_market,
       coalesce(f.category, 'Uncategorized') <> 'Uncategorized' AS has_category,
       f.numerators IS NOT NULL AS has_resolution
FROM (
    SELECT token, count(*) AS trades,
           CAST(sum(CASE WHEN role = 0 THEN 0 WHEN side = 0 THEN collateral - leftover ELSE collateral END) AS BIGINT)
               AS volume
    FROM chain.fills GROUP BY token
) AS s
LEFT JOIN dim.tokens AS t ON t.token = s.token
LEFT JOIN book.condition_facts AS f ON f.condition = t.condition;
