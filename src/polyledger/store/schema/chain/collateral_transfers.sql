-- ERC-20 Transfer of a collateral (USDC.e, pUSD, wrapped collateral) that touches the protocol. `plain` as above.
CREATE TABLE chain.collateral_transfers (
    tx BIGINT NOT NULL,
    log_index INTEGER NOT NULL,
    contract INTEGER NOT NULL,
    sender INTEGER NOT NULL,
    recipient INTEGER NOT NULL,
    amount BIGINT NOT NULL,
    plain BOOLEAN NOT NULL
);
