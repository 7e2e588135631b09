-- One row per condition the ledger has a key for: what the chain says of it, its payout (numerators, from the chain or,
-- where the chain cannot say, from claims: resolved_by), and its market, event and category.
-- category_rule says where the category is from: event or market (its own field), tag:SLUG, or none.
-- on_chain is false for a key that only an orphaned block or a claim knew.
CREATE VIEW book.condition_facts AS
WITH tagged AS (
    SELECT t.condition, min(k.position) AS position
    FROM (SELECT condition, unnest(tags) AS tag FROM book.market_names) AS t
    JOIN book.categories AS k ON k.tag = t.tag
    GROUP BY t.condition
),
registered AS (SELECT DISTINCT condition FROM chain.registrations)
SELECT d.condition, d.condition_id,
       p.tx AS prepared_tx, p.oracle, p.question_id, coalesce(p.outcome_slots, r.outcome_slots) AS outcome_slots,
       q.neg_risk_market, q.question_index,
       r.tx AS resolved_tx, s.numerators, CASE WHEN s.numerators IS NOT NULL THEN s.source END AS resolved_by,
       s.state AS resolution_state, s.verdict AS resolution_verdict,
       n.market_id, n.question, n.slug, n.outcomes, n.event_id, n.closed, n.end_date, n.source AS named_by,
       coalesce(CASE WHEN e.category <> 'Uncategorized' THEN e.category END, nullif(n.market_category, ''), k.category,
                'Uncategorized') AS category,
       CASE WHEN e.category <> 'Uncategorized' THEN e.category_rule WHEN nullif(n.market_category, '') IS NOT NULL
            THEN 'market' WHEN k.category IS NOT NULL THEN 'tag:' || k.tag ELSE 'none' END AS category_rule,
       p.condition IS NOT NULL OR r.condition IS NOT NULL OR g.condition IS NOT NULL AS on_chain
FROM dim.conditions AS d
LEFT JOIN chain.preparations AS p ON p.condition = d.condition
LEFT JOIN chain.neg_risk_questions AS q ON q.condition = d.condition
LEFT JOIN chain.resolutions AS r ON r.condition = d.condition
LEFT JOIN book.resolution_facts AS s ON s.condition = d.condition
LEFT JOIN registered AS g ON g.condition = d.condition
LEFT JOIN book.market_names AS n ON n.condition = d.condition
LEFT JOIN book.event_names AS e ON e.event_id = n.event_id
LEFT JOIN tagged AS t ON t.condition = d.condition
LEFT JOIN book.categories AS k ON k.position = t.position;
