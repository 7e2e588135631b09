SELECT b.place, i.identity
FROM batch_sets AS b
JOIN imported.identities AS i
  ON i.token IS NOT DISTINCT FROM b.token AND i.condition IS NOT DISTINCT FROM b.condition
 AND i.market_id IS NOT DISTINCT FROM b.market_id AND i.slug IS NOT DISTINCT FROM b.slug
 AND i.outcome_index IS NOT DISTINCT FROM b.outcome_index AND i.outcome IS NOT DISTINCT FROM b.outcome
