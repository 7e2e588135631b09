-- PositionSplit (kind 0) and PositionsMerge (kind 1) of ConditionalTokens and of the neg-risk adapter.
CREATE TABLE chain.position_changes (
    tx BIGINT NOT NULL,
    log_index INTEGER NOT NULL,
    contract INTEGER NOT NULL,
    kind UTINYINT NOT NULL,
    stakeholder INTEGER NOT NULL,
    collateral INTEGER NOT NULL,      -- ERC-20 contract whose positions these are (wrapped collateral for the adapter)
    condition INTEGER NOT NULL,
    amount BIGINT NOT NULL,
    partition_size INTEGER NOT NULL,
    via INTEGER                       -- the collateral adapter that acted for the stakeholder, if any
);
