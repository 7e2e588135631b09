SELECT (SELECT count(*) FROM dim.tokens AS t JOIN book.condition_facts AS f ON f.condition = t.condition
        WHERE f.on_chain) AS proven,
       (SELECT count(*) FROM claim.markets WHERE verdict = 'claimed') AS claimed,
       (SELECT count(*) FROM claim.markets WHERE verdict = 'refuted') AS refuted;
