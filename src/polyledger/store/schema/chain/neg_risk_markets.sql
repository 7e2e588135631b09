-- MarketPrepared of the neg-risk adapter.
CREATE TABLE chain.neg_risk_markets (
    tx BIGINT NOT NULL,
    log_index INTEGER NOT NULL,
    neg_risk_market INTEGER NOT NULL,
    oracle INTEGER NOT NULL,
    fee_bips BIGINT NOT NULL
);
