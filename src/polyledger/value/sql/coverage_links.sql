-- Proven links of tokens, and what sources claim that no proof decides, or that a proof refutes; a claim made again
-- counts once.
SELECT (SELECT count(*) FROM dim.tokens AS t JOIN book.known_conditions AS k ON k.condition = t.condition) AS proven,
       (SELECT count(*) FROM (SELECT DISTINCT condition, market_id FROM claim.markets WHERE verdict = 'claimed') AS m)
       + (SELECT count(*)
          FROM (SELECT DISTINCT token, condition FROM claim.tokens WHERE verdict = 'claimed') AS c
          JOIN dim.tokens AS t ON t.token = c.token AND t.condition IS NULL) AS claimed,
       (SELECT count(*) FROM (SELECT DISTINCT source, condition, market_id FROM claim.markets WHERE verdict = 'refuted')
        AS m)
       + (SELECT count(*) FROM (SELECT DISTINCT source, token, condition, outcome_index FROM claim.tokens
                                WHERE verdict = 'refuted') AS c) AS refuted;
