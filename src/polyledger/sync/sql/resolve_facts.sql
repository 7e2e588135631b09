-- What is known of a few keys. The links are those of another resolve_*.sql: key, condition, outcome_index, token and
-- whether the link is proven.
WITH links AS ({links})
SELECT l.key, l.token, CASE WHEN c.condition_id IS NOT NULL THEN '0x' || lower(hex(c.condition_id)) END AS condition,
       l.outcome_index, f.outcomes[l.outcome_index + 1] AS outcome, f.market_id AS market, f.slug, f.event_id AS event,
       f.category, CASE WHEN l.condition IS NULL THEN NULL WHEN l.proven THEN 'proven' ELSE 'claimed' END AS verdict,
       coalesce(f.named_by, CASE WHEN f.on_chain THEN 'chain' END) AS source, p.tries, p.next_try
FROM links AS l
LEFT JOIN dim.conditions AS c ON c.condition = l.condition
LEFT JOIN (
    SELECT * FROM book.condition_facts WHERE condition IN (SELECT condition FROM links WHERE condition IS NOT NULL)
) AS f ON f.condition = l.condition
LEFT JOIN meta.pending AS p ON p.kind = '{kind}' AND p.lookup_key = l.key
