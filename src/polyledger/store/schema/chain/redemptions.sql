-- PayoutRedemption of ConditionalTokens and of the neg-risk adapter.
CREATE TABLE chain.redemptions (
    tx BIGINT NOT NULL,
    log_index INTEGER NOT NULL,
    contract INTEGER NOT NULL,
    redeemer INTEGER NOT NULL,
    collateral INTEGER NOT NULL,
    condition INTEGER NOT NULL,
    payout BIGINT NOT NULL,
    outcomes INTEGER[] NOT NULL,      -- indexes of the outcomes the event names
    via INTEGER                       -- the collateral adapter that acted for the redeemer, if any
);
