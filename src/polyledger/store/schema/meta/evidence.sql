-- Every HTTP answer, kept compressed under evidence/ by the hash of its body.
CREATE TABLE meta.evidence (
    evidence_id BIGINT NOT NULL,
    source VARCHAR NOT NULL,
    request VARCHAR NOT NULL,
    status INTEGER NOT NULL,
    body_sha256 BLOB NOT NULL,
    received_at TIMESTAMP NOT NULL,
    run_id VARCHAR NOT NULL
);
