-- What the claims about the settlement of each condition come to, drawn up like book.market_names. What the chain says
-- is not in it: book.resolution_facts puts the two together.
CREATE TABLE book.claimed_resolutions (
    condition INTEGER NOT NULL,
    state VARCHAR NOT NULL,           -- open, closed_unresolved, resolved, void
    payouts BIGINT[],                 -- micro-USDC a share by outcome; null where none is believed
    source VARCHAR,                   -- whose payouts, or whose state
    derived BOOLEAN NOT NULL,         -- concluded from a sibling of the neg-risk group
    resolved_at BIGINT,               -- seconds since 1970, UTC, as the source says; null where it does not
    first_claimed BIGINT,             -- when a source first said that there is a result
    verdict VARCHAR NOT NULL,         -- agreed, precedence, majority, conflict
    lagging BOOLEAN NOT NULL          -- a source still says open less than 24 hours after the first result
);
