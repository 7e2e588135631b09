-- The payout of each outcome of a resolved condition: numerator / denominator (numerators as reported, their sum), from
-- the chain, or from the best claim where the chain cannot say.
CREATE VIEW book.payouts AS
SELECT r.condition, s.outcome_index, r.numerators[s.outcome_index + 1] AS numerator, r.denominator
FROM (
    SELECT condition, numerators, list_sum(numerators) AS denominator, len(numerators) AS slots
    FROM book.resolution_facts WHERE numerators IS NOT NULL
) AS r
JOIN (SELECT unnest(range(256)) AS outcome_index) AS s ON s.outcome_index < r.slots
WHERE r.denominator > 0;
