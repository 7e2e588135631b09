SELECT count(*) AS total,
       count(market_id) AS market,
       count(CASE WHEN category <> 'Uncategorized' THEN 1 END) AS category,
       count(numerators) AS resolved
FROM book.condition_facts WHERE on_chain;
