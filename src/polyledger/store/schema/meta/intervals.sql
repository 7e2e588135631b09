-- Work done, committed together with the data it brought. scope names what was scanned (contract set and transfer mode).
CREATE TABLE meta.intervals (
    scope VARCHAR NOT NULL,
    from_block BIGINT NOT NULL,
    to_block BIGINT NOT NULL,
    last_hash BLOB NOT NULL,
    logs BIGINT NOT NULL,
    digest BLOB NOT NULL,
    run_id VARCHAR NOT NULL
);
