SELECT category, count(condition) AS conditions, count(market_id) AS markets, count(DISTINCT event_id) AS events,
       count(CASE WHEN resolved THEN 1 END) AS resolved, CAST(sum(trades) AS BIGINT) AS trades,
       CAST(sum(volume) AS BIGINT) AS volume
FROM categorized GROUP BY category ORDER BY volume DESC, category;
