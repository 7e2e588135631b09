-- As market_history, of events.
CREATE VIEW event_history AS
WITH said AS (
    SELECT *, row_number() OVER (PARTITION BY source, event_id ORDER BY evidence_id) AS place,
           CASE WHEN (title, slug, category, tags, series_slug, parent_event_id, neg_risk_market_id, closed,
                      start_time, end_time)
                     IS NOT DISTINCT FROM
                     lag((title, slug, category, tags, series_slug, parent_event_id, neg_risk_market_id, closed,
                      start_time, end_time))
                     OVER (PARTITION BY source, event_id ORDER BY evidence_id)
                THEN 0 ELSE 1 END AS changed
    FROM claim.events
),
versions AS (
    SELECT *, CAST(sum(changed) OVER (PARTITION BY source, event_id ORDER BY place) AS INTEGER) AS version FROM said
)
SELECT event_id, source, version, min(observed_at) AS first_observed, max(observed_at) AS last_observed,
       count(*) AS answers, any_value(title) AS title, any_value(slug) AS slug, any_value(category) AS category,
       any_value(tags) AS tags, any_value(series_slug) AS series_slug, any_value(parent_event_id) AS parent_event_id,
       any_value(neg_risk_market_id) AS neg_risk_market_id, any_value(closed) AS closed,
       make_timestamp(any_value(start_time) * 1000000) AS start_time,
       make_timestamp(any_value(end_time) * 1000000) AS end_time
FROM versions GROUP BY event_id, source, version;
