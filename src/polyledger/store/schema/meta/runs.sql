CREATE TABLE meta.runs (
    run_id VARCHAR NOT NULL,
    started_at TIMESTAMP NOT NULL,
    finished_at TIMESTAMP,
    state VARCHAR NOT NULL,
    pid INTEGER NOT NULL,
    from_block BIGINT,
    to_block BIGINT,
    requests VARCHAR NOT NULL,
    message VARCHAR
);
