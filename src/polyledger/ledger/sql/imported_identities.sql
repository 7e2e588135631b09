INSERT INTO imported.identities
SELECT (SELECT max(identity) FROM imported.identities) + row_number() OVER (ORDER BY b.place),
       b.token, b.condition, b.market_id, b.slug, b.outcome_index, b.outcome
FROM batch_sets AS b
WHERE NOT EXISTS (
    SELECT 1 FROM imported.identities AS i
    WHERE i.token IS NOT DISTINCT FROM b.token AND i.condition IS NOT DISTINCT FROM b.condition
      AND i.market_id IS NOT DISTINCT FROM b.market_id AND i.slug IS NOT DISTINCT FROM b.slug
      AND i.outcome_index IS NOT DISTINCT FROM b.outcome_index AND i.outcome IS NOT DISTINCT FROM b.outcome)
