-- Tags that stand in no rule of the table, those first that would give most volume a category.
SELECT tag, count(*) AS conditions, CAST(sum(volume) AS BIGINT) AS volume,
       count(CASE WHEN category = 'Uncategorized' THEN 1 END) AS uncategorized_conditions,
       CAST(sum(CASE WHEN category = 'Uncategorized' THEN volume ELSE 0 END) AS BIGINT) AS uncategorized_volume
FROM (SELECT unnest(tags) AS tag, category, volume FROM categorized) AS tagged
WHERE tag NOT IN (SELECT tag FROM book.categories)
GROUP BY tag
ORDER BY uncategorized_volume DESC, volume DESC, tag
LIMIT $limit;
