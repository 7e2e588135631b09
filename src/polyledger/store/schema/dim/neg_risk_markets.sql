-- Surrogate keys of neg-risk market ids.
CREATE TABLE dim.neg_risk_markets (
    neg_risk_market INTEGER NOT NULL,
    neg_risk_market_id BLOB NOT NULL
);
