-- Keys asked of an HTTP source, and what came of it: found, not_found, unseen, refused, schema_mismatch.
CREATE TABLE meta.lookups (
    source VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    lookup_key VARCHAR NOT NULL,
    outcome VARCHAR NOT NULL,
    evidence_id BIGINT,
    asked_at TIMESTAMP NOT NULL
);
