-- FeeCharged of the exchanges; token is null when the fee is collateral.
CREATE TABLE chain.fees_charged (
    tx BIGINT NOT NULL,
    log_index INTEGER NOT NULL,
    contract INTEGER NOT NULL,
    receiver INTEGER NOT NULL,
    token INTEGER,
    amount BIGINT NOT NULL
);
