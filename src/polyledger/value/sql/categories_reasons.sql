-- Why something has no category.
SELECT CASE WHEN condition IS NULL THEN 'condition not known' WHEN NOT named THEN 'market not known'
            WHEN len(tags) = 0 THEN 'no tags' ELSE 'no tag in the table' END AS reason,
       count(condition) AS conditions, CAST(sum(trades) AS BIGINT) AS trades, CAST(sum(volume) AS BIGINT) AS volume
FROM categorized WHERE category = 'Uncategorized' GROUP BY reason ORDER BY volume DESC, reason;
