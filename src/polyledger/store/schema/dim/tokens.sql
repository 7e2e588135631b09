-- Surrogate keys of ERC-1155 position ids. condition, outcome_index and collateral are set only where recomputing the
-- id from them gives this id: a link in this table is a proof.
CREATE TABLE dim.tokens (
    token INTEGER NOT NULL,
    position_id BLOB NOT NULL,
    token_id VARCHAR NOT NULL,
    condition INTEGER,
    outcome_index INTEGER,
    collateral INTEGER
);
