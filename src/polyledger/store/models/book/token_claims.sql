-- What each source says a token is: its claims about tokens, and the tokens that its claims about markets list. A
-- market's tokens are judged one by one: proven where the token is linked to that condition and outcome by derivation.
CREATE VIEW book.token_claims AS
SELECT c.source, c.token, t.token_id, c.condition, c.outcome_index, c.outcome, c.verdict, c.evidence_id, c.observed_at
FROM claim.tokens AS c JOIN dim.tokens AS t ON t.token = c.token
UNION ALL
SELECT m.source, t.token, m.token_id, m.condition, m.outcome_index, m.outcome,
       CASE WHEN t.condition = m.condition AND t.outcome_index = m.outcome_index THEN 'proven'
            WHEN m.verdict = 'quarantined' THEN 'quarantined' ELSE 'refuted' END,
       m.evidence_id, m.observed_at
FROM (
    SELECT c.source, c.condition, CAST(s.outcome_index AS INTEGER) AS outcome_index,
           c.token_ids[s.outcome_index + 1] AS token_id, c.outcomes[s.outcome_index + 1] AS outcome, c.verdict,
           c.evidence_id, c.observed_at
    FROM claim.markets AS c
    JOIN (SELECT unnest(range(256)) AS outcome_index) AS s ON s.outcome_index < len(c.token_ids)
    WHERE c.token_ids IS NOT NULL
) AS m
LEFT JOIN dim.tokens AS t ON t.token_id = m.token_id
WHERE m.token_id <> '';
