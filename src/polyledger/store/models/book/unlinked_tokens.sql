-- Tokens whose condition no derivation has given yet: what is to be said of a trade in them.
CREATE VIEW book.unlinked_tokens AS
SELECT t.token,
       CASE WHEN k.lookup_key IS NULL THEN 'pending' ELSE 'unfillable' END AS state,
       CASE WHEN k.lookup_key IS NULL THEN 'condition not known yet'
            WHEN r.token IS NOT NULL THEN 'refuted by proof'
            ELSE 'unknown to all sources' END AS reason
FROM dim.tokens AS t
LEFT JOIN book.exhausted_keys AS k ON k.kind = 'token' AND k.lookup_key = t.token_id
LEFT JOIN (SELECT DISTINCT token FROM claim.tokens WHERE verdict = 'refuted') AS r ON r.token = t.token
WHERE t.condition IS NULL;
