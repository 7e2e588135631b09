-- What is known of every condition, evaluated once for the questions that follow.
CREATE OR REPLACE TEMP TABLE known_conditions AS
SELECT condition, condition_id, prepared_tx, numerators IS NOT NULL AS resolved, market_id, slug, event_id, named_by,
       category, on_chain
FROM book.condition_facts;
