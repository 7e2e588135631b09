-- The stages that a run planned and what came of them: expected beside actual.
CREATE TABLE meta.stages (
    run_id VARCHAR NOT NULL,
    position INTEGER NOT NULL,
    source VARCHAR NOT NULL,
    action VARCHAR NOT NULL,
    keys BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    seconds DOUBLE NOT NULL,
    expected_found DOUBLE NOT NULL,
    expected_trades DOUBLE NOT NULL,
    expected_volume DOUBLE NOT NULL,
    actual_keys BIGINT,
    actual_requests BIGINT,
    actual_seconds DOUBLE,
    actual_found BIGINT,
    actual_trades BIGINT,
    actual_volume BIGINT
);
