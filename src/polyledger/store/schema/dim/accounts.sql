-- Surrogate keys of 20-byte addresses, in order of first sight. A key says nothing about use: rows may outlive a reorg.
CREATE TABLE dim.accounts (
    account INTEGER NOT NULL,
    address BLOB NOT NULL
);
