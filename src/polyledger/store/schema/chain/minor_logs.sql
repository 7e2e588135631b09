-- Known events that move nothing (approvals, cancels, oracle and operator events): counted, not kept in full.
CREATE TABLE chain.minor_logs (
    tx BIGINT NOT NULL,
    log_index INTEGER NOT NULL,
    contract INTEGER NOT NULL,
    topic BLOB NOT NULL
);
