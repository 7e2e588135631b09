-- Headers of blocks that hold logs, and of the borders of scanned ranges.
CREATE TABLE chain.blocks (
    number BIGINT NOT NULL,
    hash BLOB NOT NULL,
    parent_hash BLOB,
    timestamp BIGINT NOT NULL
);
