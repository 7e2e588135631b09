-- Keys that the resolver could not answer and that are tried again: up to seven tries, then unfillable.
CREATE TABLE meta.pending (
    kind VARCHAR NOT NULL,            -- token, condition, market, slug, transaction
    lookup_key VARCHAR NOT NULL,
    first_seen TIMESTAMP NOT NULL,
    tries INTEGER NOT NULL,
    next_try TIMESTAMP,               -- null once it is unfillable
    history VARCHAR NOT NULL          -- JSON: one entry per try with time, sources asked and outcomes
);
