-- FixedProductMarketMakerCreation: pools are contracts, never wallets.
CREATE TABLE chain.amm_pools (
    tx BIGINT NOT NULL,
    log_index INTEGER NOT NULL,
    pool INTEGER NOT NULL,
    collateral INTEGER NOT NULL,
    condition INTEGER NOT NULL
);
