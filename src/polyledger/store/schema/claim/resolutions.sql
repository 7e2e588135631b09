-- What a source says of the settlement of a condition. Never updated: a later claim is a new row.
CREATE TABLE claim.resolutions (
    source VARCHAR NOT NULL,
    condition INTEGER NOT NULL,
    state VARCHAR NOT NULL,           -- open, closed_unresolved, resolved, void
    payouts BIGINT[],                 -- by outcome index, what a share pays in micro-USDC; null unless resolved or void
    stated BOOLEAN NOT NULL,          -- false when only final prices of 0 and 1 say so
    derived BOOLEAN NOT NULL,         -- true when the source derived it from a sibling of the neg-risk group
    resolved_at BIGINT,               -- seconds since 1970, UTC
    verdict VARCHAR NOT NULL,         -- claimed, quarantined
    evidence_id BIGINT NOT NULL,
    observed_at TIMESTAMP NOT NULL
);
