-- One row per imported trade, in the order of the file. Amounts in 1e-6 units, times in seconds since 1970, UTC. A null
-- is a value the file did not give.
CREATE TABLE imported.trades (
    trade BIGINT NOT NULL,            -- ascending over all files
    file INTEGER NOT NULL,
    row_number BIGINT NOT NULL,       -- 1 is the first row of data
    identity INTEGER NOT NULL,
    transaction INTEGER,
    log_index INTEGER,
    wallet INTEGER,
    counterparty INTEGER,
    role UTINYINT,                    -- 0 maker, 1 taker
    side UTINYINT,                    -- 0 BUY, 1 SELL
    shares BIGINT,
    collateral BIGINT,
    fee BIGINT,
    timestamp BIGINT
);
