-- Surrogate keys of the transaction hashes that imported rows name; a hash is stored once.
CREATE TABLE imported.transactions (
    transaction INTEGER NOT NULL,
    hash BLOB NOT NULL
);
