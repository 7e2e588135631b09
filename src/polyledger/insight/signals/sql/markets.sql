-- What is known of each market now, null where nothing is: what rules ask about.
CREATE OR REPLACE TEMP TABLE signal_markets AS
WITH events AS (SELECT event_id, title, tags FROM book.event_names)
SELECT f.condition, f.market_id, f.question, f.event_id,
       CASE WHEN f.category = 'Uncategorized'
                 AND (f.named_by IS NULL OR (coalesce(len(n.tags), 0) = 0 AND e.event_id IS NULL))
            THEN NULL ELSE f.category END AS category,
       CASE WHEN coalesce(len(n.tags), 0) = 0 AND e.event_id IS NULL THEN NULL
            ELSE list_sort(list_distinct(list_concat(coalesce(n.tags, []), coalesce(e.tags, [])))) END AS tags
FROM book.condition_facts AS f
LEFT JOIN book.market_names AS n ON n.condition = f.condition
LEFT JOIN events AS e ON e.event_id = f.event_id
