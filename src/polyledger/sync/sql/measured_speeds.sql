-- Requests, seconds and keys that stages took in the last runs, by source and action.
SELECT source, action, sum(actual_requests) AS requests, sum(actual_seconds) AS seconds, sum(actual_keys) AS keys
FROM (
    SELECT s.* FROM meta.stages AS s
    JOIN (SELECT run_id FROM meta.runs ORDER BY started_at DESC LIMIT 20) AS r ON r.run_id = s.run_id
)
WHERE actual_requests > 0
GROUP BY source, action;
