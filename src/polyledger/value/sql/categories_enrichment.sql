-- How many conditions, and how much volume, have each thing that sources tell of markets and events.
SELECT measure, sum(amount) AS total,
       sum(CASE WHEN market_id IS NOT NULL THEN amount ELSE 0 END) AS market,
       sum(CASE WHEN has_event THEN amount ELSE 0 END) AS event,
       sum(CASE WHEN category <> 'Uncategorized' THEN amount ELSE 0 END) AS category,
       sum(CASE WHEN len(tags) > 0 THEN amount ELSE 0 END) AS tags,
       sum(CASE WHEN has_series THEN amount ELSE 0 END) AS series,
       sum(CASE WHEN resolved THEN amount ELSE 0 END) AS resolution
FROM (
    SELECT 'conditions' AS measure, 1 AS amount, * FROM categorized WHERE condition IS NOT NULL
    UNION ALL
    SELECT 'volume', volume, * FROM categorized
) AS measured
GROUP BY measure;
