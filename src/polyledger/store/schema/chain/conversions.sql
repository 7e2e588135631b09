-- PositionsConverted of the neg-risk adapter; no_indexes are the questions whose NO shares were given.
CREATE TABLE chain.conversions (
    tx BIGINT NOT NULL,
    log_index INTEGER NOT NULL,
    contract INTEGER NOT NULL,
    stakeholder INTEGER NOT NULL,
    neg_risk_market INTEGER NOT NULL,
    amount BIGINT NOT NULL,
    no_indexes INTEGER[] NOT NULL,
    via INTEGER                       -- the collateral adapter that acted for the stakeholder, if any
);
