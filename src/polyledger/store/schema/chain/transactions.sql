-- tx = block number << 16 | transaction index; the hash is stored once.
CREATE TABLE chain.transactions (
    tx BIGINT NOT NULL,
    hash BLOB NOT NULL
);
