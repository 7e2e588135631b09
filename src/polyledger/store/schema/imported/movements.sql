-- What a service lists that wallets did other than trade, for ledgers without an archive node. Rows have no id there, and
-- two equal ones are two movements. What they mean for holdings is in book.movement_events.
CREATE TABLE imported.movements (
    source VARCHAR NOT NULL,          -- data_api:0x…, as in book.imported_sources
    wallet INTEGER NOT NULL,
    kind VARCHAR NOT NULL,            -- the source's word: SPLIT, MERGE, REDEEM, CONVERSION
    condition INTEGER,                -- of a conversion: null, it is about a whole neg-risk market
    transaction INTEGER NOT NULL,
    shares BIGINT NOT NULL,
    collateral BIGINT NOT NULL,
    timestamp BIGINT NOT NULL
);
