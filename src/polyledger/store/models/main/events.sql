CREATE VIEW events AS
SELECT e.event_id, e.title, e.slug, e.category, e.category_rule, e.tags, e.series_slug, count(*) AS markets
FROM book.event_names AS e
JOIN book.condition_facts AS f ON f.event_id = e.event_id
    AND f.condition IN (SELECT condition FROM book.known_conditions)
GROUP BY e.event_id, e.title, e.slug, e.category, e.category_rule, e.tags, e.series_slug;
