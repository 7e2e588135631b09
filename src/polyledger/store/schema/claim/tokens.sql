-- What a source says a token is. Never updated: a later claim is a new row. verdict is the proof's: proven, refuted
-- (the token does not derive from that condition and outcome in any collateral), or claimed (the claim names no
-- condition, or no outcome that could be checked). A refuted outcome index of a right condition is refuted as well; the
-- right link then stands proven in dim.tokens.
CREATE TABLE claim.tokens (
    source VARCHAR NOT NULL,
    token INTEGER NOT NULL,
    condition INTEGER,
    outcome_index INTEGER,
    outcome VARCHAR,
    verdict VARCHAR NOT NULL,         -- proven, refuted, claimed, quarantined
    evidence_id BIGINT NOT NULL,
    observed_at TIMESTAMP NOT NULL
);
