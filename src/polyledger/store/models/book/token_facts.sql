-- One row per token: its condition and outcome, and what a share of it pays (null while unresolved): numerator /
-- denominator, numerators as reported and their sum.
CREATE VIEW book.token_facts AS
SELECT t.token, t.condition, t.outcome_index, p.numerator, p.denominator
FROM dim.tokens AS t
LEFT JOIN book.payouts AS p ON p.condition = t.condition AND p.outcome_index = t.outcome_index;
