-- One row per condition that counts, and one for the trades without a condition: what is known of it, and what was
-- traded in it. tags are those of the market and of its event together.
CREATE OR REPLACE TEMP TABLE categorized AS
SELECT k.condition, f.market_id, f.event_id, f.category, f.category_rule, f.named_by IS NOT NULL AS named,
       list_distinct(list_concat(coalesce(n.tags, []), coalesce(e.tags, []))) AS tags,
       e.event_id IS NOT NULL AS has_event, e.series_slug IS NOT NULL AS has_series, f.numerators IS NOT NULL AS resolved,
       coalesce(t.trades, 0) AS trades, coalesce(t.volume, 0) AS volume
FROM book.known_conditions AS k
JOIN book.condition_facts AS f ON f.condition = k.condition
LEFT JOIN book.market_names AS n ON n.condition = k.condition
LEFT JOIN book.event_names AS e ON e.event_id = f.event_id
LEFT JOIN traded AS t ON t.condition = k.condition
UNION ALL
SELECT NULL, NULL, NULL, 'Uncategorized', 'none', false, [], false, false, false, trades, volume
FROM traded WHERE condition IS NULL OR condition NOT IN (SELECT condition FROM book.known_conditions);
