-- FPMMFundingAdded (kind 0) and FPMMFundingRemoved (kind 1).
CREATE TABLE chain.amm_funding (
    tx BIGINT NOT NULL,
    log_index INTEGER NOT NULL,
    pool INTEGER NOT NULL,
    funder INTEGER NOT NULL,
    kind UTINYINT NOT NULL,
    amounts BIGINT[] NOT NULL,
    collateral_from_fees BIGINT NOT NULL,
    pool_shares BIGINT NOT NULL
);
