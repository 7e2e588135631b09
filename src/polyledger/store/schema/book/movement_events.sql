-- What imported.movements mean for a wallet and a token, where the chain was not scanned. Cash sits on the outcome with
-- index 0, as it does for splits, merges and redemptions on chain. Rebuilt by store/attribution.py.
CREATE TABLE book.movement_events (
    source VARCHAR NOT NULL,
    account INTEGER NOT NULL,
    token INTEGER NOT NULL,
    shares BIGINT NOT NULL,
    cash BIGINT NOT NULL,
    timestamp BIGINT NOT NULL
);
