-- Conditions that count: those on chain, and those that imported rows mean.
CREATE VIEW book.known_conditions AS
SELECT condition FROM book.condition_facts WHERE on_chain
UNION
SELECT condition FROM book.identity_links WHERE condition IS NOT NULL
UNION
SELECT t.condition
FROM (SELECT DISTINCT token FROM imported.matches WHERE tx IS NULL) AS m
JOIN dim.tokens AS t ON t.token = m.token
WHERE t.condition IS NOT NULL;
