SELECT category, category_rule AS rule, count(condition) AS conditions, CAST(sum(volume) AS BIGINT) AS volume
FROM categorized GROUP BY category, category_rule ORDER BY category, volume DESC, rule;
