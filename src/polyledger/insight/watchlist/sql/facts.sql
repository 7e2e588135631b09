-- What is known now of the markets that entries are about.
SELECT w.condition_id, w.token_id, m.market_id AS market, m.question, m.category, m.tags, m.event_id AS event,
       n.outcomes[t.outcome_index + 1] AS outcome
FROM watched_conditions AS w
JOIN dim.conditions AS d ON d.condition_id = w.id
JOIN signal_markets AS m ON m.condition = d.condition
LEFT JOIN dim.tokens AS t ON t.token_id = w.token_id
LEFT JOIN book.market_names AS n ON n.condition = d.condition
