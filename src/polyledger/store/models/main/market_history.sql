-- What each source said of a market, and from when to when: one row per version, answers counts how often it was said. The
-- last row of a source is what it says now.
CREATE VIEW market_history AS
WITH said AS (
    SELECT *, row_number() OVER (PARTITION BY source, condition, market_id ORDER BY evidence_id) AS place,
           CASE WHEN (question, slug, event_id, category, tags, closed, start_time, end_time, closed_time, verdict)
                     IS NOT DISTINCT FROM
                     lag((question, slug, event_id, category, tags, closed, start_time, end_time, closed_time, verdict))
                     OVER (PARTITION BY source, condition, market_id ORDER BY evidence_id)
                THEN 0 ELSE 1 END AS changed
    FROM claim.markets
),
versions AS (
    SELECT *, CAST(sum(changed) OVER (PARTITION BY source, condition, market_id ORDER BY place) AS INTEGER) AS version FROM said
)
SELECT '0x' || lower(hex(d.condition_id)) AS condition_id, v.source, v.market_id, v.version,
       min(v.observed_at) AS first_observed, max(v.observed_at) AS last_observed, count(*) AS answers,
       any_value(v.question) AS question, any_value(v.slug) AS slug, any_value(v.event_id) AS event_id,
       any_value(v.category) AS category, any_value(v.tags) AS tags, any_value(v.closed) AS closed,
       make_timestamp(any_value(v.start_time) * 1000000) AS start_time,
       make_timestamp(any_value(v.end_time) * 1000000) AS end_time,
       make_timestamp(any_value(v.closed_time) * 1000000) AS closed_time, any_value(v.verdict) AS verdict
FROM versions AS v JOIN dim.conditions AS d ON d.condition = v.condition
GROUP BY d.condition_id, v.source, v.market_id, v.version;
