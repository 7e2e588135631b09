-- Answers and files that were set aside whole, and why. Their claims are kept with the verdict quarantined.
CREATE TABLE claim.quarantines (
    source VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,            -- what was asked about: token, market, resolution …
    pattern VARCHAR NOT NULL,         -- one clause: what is wrong with it
    keys BIGINT NOT NULL,             -- how many keys it answered
    evidence_id BIGINT NOT NULL,
    observed_at TIMESTAMP NOT NULL
);
