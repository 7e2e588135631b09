-- NewOperator (kind 0), NewAdmin (kind 1) and their removals: these accounts run the protocol, they are not users.
CREATE TABLE chain.roles (
    tx BIGINT NOT NULL,
    log_index INTEGER NOT NULL,
    contract INTEGER NOT NULL,
    account INTEGER NOT NULL,
    kind UTINYINT NOT NULL,
    granted BOOLEAN NOT NULL
);
