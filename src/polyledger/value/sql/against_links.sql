-- The rows of their mapping beside the ledger's: the token's proven link, and the market of the condition.
SELECT b.row, t.condition IS NOT NULL AS linked, '0x' || lower(hex(l.condition_id)) AS condition_ours,
       t.outcome_index AS index_ours, c.condition IS NOT NULL AS known, n.market_id AS market_ours
FROM batch_theirs AS b
LEFT JOIN dim.tokens AS t ON t.token_id = b.token
LEFT JOIN dim.conditions AS l ON l.condition = t.condition
LEFT JOIN dim.conditions AS c ON c.condition_id = coalesce(l.condition_id, b.condition)
LEFT JOIN book.market_names AS n ON n.condition = c.condition
ORDER BY b.row;
