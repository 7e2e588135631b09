-- Conditions that the wallets shown traded or held.
SELECT count(*) AS total,
       count(f.market_id) AS market,
       count(CASE WHEN f.category <> 'Uncategorized' THEN 1 END) AS category,
       count(f.numerators) AS resolved
FROM (SELECT DISTINCT condition FROM book.condition_positions WHERE condition IS NOT NULL) AS k
JOIN book.condition_facts AS f ON f.condition = k.condition;
