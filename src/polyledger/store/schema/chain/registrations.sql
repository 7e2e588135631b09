-- TokenRegistered of the v1 exchanges; emitted twice with the tokens swapped.
CREATE TABLE chain.registrations (
    tx BIGINT NOT NULL,
    log_index INTEGER NOT NULL,
    contract INTEGER NOT NULL,
    token0 INTEGER NOT NULL,
    token1 INTEGER NOT NULL,
    condition INTEGER NOT NULL
);
