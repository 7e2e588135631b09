-- FeeRefunded of the fee modules; token is null when the refund is collateral. fee_charged is the net fee.
CREATE TABLE chain.fee_refunds (
    tx BIGINT NOT NULL,
    log_index INTEGER NOT NULL,
    contract INTEGER NOT NULL,
    order_hash BLOB NOT NULL,
    recipient INTEGER NOT NULL,
    token INTEGER,
    refund BIGINT NOT NULL,
    fee_charged BIGINT NOT NULL
);
