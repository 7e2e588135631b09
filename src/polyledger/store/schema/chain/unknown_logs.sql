-- Logs of protocol contracts that fit no known layout, kept whole with the reason.
CREATE TABLE chain.unknown_logs (
    tx BIGINT NOT NULL,
    log_index INTEGER NOT NULL,
    contract INTEGER NOT NULL,
    topics BLOB[] NOT NULL,
    data BLOB NOT NULL,
    reason VARCHAR NOT NULL
);
