-- One row per neg-risk market: whether a YES has won, whether every question is resolved, and its category.
CREATE VIEW book.neg_risk_groups AS
SELECT f.neg_risk_market,
       bool_or(f.numerators IS NOT NULL AND f.numerators[1] > 0) AS yes_won,
       bool_and(f.numerators IS NOT NULL) AS all_resolved,
       coalesce(max(CASE WHEN f.category <> 'Uncategorized' THEN f.category END), 'Uncategorized') AS category
FROM book.condition_facts AS f
WHERE f.neg_risk_market IS NOT NULL
GROUP BY f.neg_risk_market;
