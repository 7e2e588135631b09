-- OrdersMatched: repeats the taker order's totals; kept as the second witness of each match.
CREATE TABLE chain.matches (
    tx BIGINT NOT NULL,
    log_index INTEGER NOT NULL,
    contract INTEGER NOT NULL,
    order_hash BLOB NOT NULL,
    wallet INTEGER NOT NULL,
    side UTINYINT NOT NULL,
    token INTEGER NOT NULL,
    shares BIGINT NOT NULL,
    collateral BIGINT NOT NULL,
    layout UTINYINT NOT NULL
);
