-- Conditions that exports count: one row each, read past the joins of the exports themselves, so that it can tell when
-- one of those loses or doubles a row.
CREATE VIEW book.exported_conditions AS
SELECT d.condition, n.market_id, n.event_id, n.source AS named_by
FROM dim.conditions AS d
LEFT JOIN (
    SELECT condition, max(market_id) AS market_id, max(event_id) AS event_id, max(source) AS source
    FROM book.market_names GROUP BY condition
) AS n ON n.condition = d.condition
WHERE d.condition IN (SELECT condition FROM book.known_conditions);
