-- One row per position: its condition and outcome, and what a share of it pays (null while unresolved): numerator /
-- denominator, numerators as reported and their sum. A position is a token, or, below zero, the outcome of a condition
-- that imported rows name and of which no token is known.
CREATE VIEW book.token_facts AS
SELECT t.token, t.condition, t.outcome_index, p.numerator, p.denominator
FROM dim.tokens AS t
LEFT JOIN book.payouts AS p ON p.condition = t.condition AND p.outcome_index = t.outcome_index
UNION ALL
SELECT l.position, l.condition, l.outcome_index, p.numerator, p.denominator
FROM (
    SELECT DISTINCT position, condition, outcome_index FROM book.identity_links
    WHERE position < 0 AND condition IS NOT NULL AND outcome_index IS NOT NULL
) AS l
LEFT JOIN book.payouts AS p ON p.condition = l.condition AND p.outcome_index = l.outcome_index;
