-- Coverage at the end of each command that wrote: how it came to be what it is. Trades are numbers of rows, volume is in
-- 1e-6 USDC; the levels are those of polyledger.coverage/1.
CREATE TABLE meta.coverage_history (
    run_id VARCHAR NOT NULL,
    doing VARCHAR NOT NULL,           -- sync, import
    ended_at TIMESTAMP NOT NULL,
    measure VARCHAR NOT NULL,         -- trades, volume
    total BIGINT NOT NULL,
    condition BIGINT NOT NULL,
    market BIGINT NOT NULL,
    category BIGINT NOT NULL,
    resolution BIGINT NOT NULL
);
