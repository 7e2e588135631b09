-- Conditions that count and that {condition} says belong to a scope.
SELECT count(*) AS total,
       count(f.market_id) AS market,
       count(CASE WHEN f.category <> 'Uncategorized' THEN 1 END) AS category,
       count(f.numerators) AS resolved
FROM book.known_conditions AS k JOIN book.condition_facts AS f ON f.condition = k.condition
WHERE {condition};
