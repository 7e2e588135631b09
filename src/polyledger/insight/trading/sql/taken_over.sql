What the paper ledger takes over, one query for each table under its name.
-- dim.accounts
SELECT a.* FROM dim.accounts AS a WHERE a.account IN (SELECT account FROM dim.contracts)
-- dim.contracts
SELECT * FROM dim.contracts
-- dim.conditions
SELECT * FROM dim.conditions WHERE condition IN (SELECT condition FROM paper_conditions)
-- dim.tokens
SELECT * FROM dim.tokens WHERE condition IN (SELECT condition FROM paper_conditions)
-- dim.neg_risk_markets
SELECT * FROM dim.neg_risk_markets
-- chain.preparations
SELECT * FROM chain.preparations WHERE condition IN (SELECT condition FROM paper_conditions)
-- chain.neg_risk_questions
SELECT * FROM chain.neg_risk_questions WHERE condition IN (SELECT condition FROM paper_conditions)
-- chain.neg_risk_markets
SELECT * FROM chain.neg_risk_markets
-- chain.resolutions
SELECT * FROM chain.resolutions WHERE condition IN (SELECT condition FROM paper_conditions)
-- chain.blocks
SELECT b.* FROM chain.blocks AS b
WHERE b.number IN (SELECT tx // 65536 FROM chain.resolutions WHERE condition IN (SELECT condition FROM paper_conditions))
-- book.market_names
SELECT * FROM book.market_names WHERE condition IN (SELECT condition FROM paper_conditions)
-- book.categories
SELECT * FROM book.categories
-- book.claimed_resolutions
SELECT c.* FROM book.claimed_resolutions AS c
JOIN book.resolution_facts AS s ON s.condition = c.condition AND s.tx IS NULL AND s.numerators IS NOT NULL
WHERE c.condition IN (SELECT condition FROM paper_conditions)
-- claim.events
SELECT * FROM claim.events
WHERE event_id IN (SELECT event_id FROM book.market_names
                   WHERE condition IN (SELECT condition FROM paper_conditions))
