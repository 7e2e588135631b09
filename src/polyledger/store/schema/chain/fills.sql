-- One row per OrderFilled log, and per FPMM trade: the leg of the wallet in the event's `maker` field (the trader of an
-- AMM pool). Amounts in 1e-6 units. `leftover` is what the order gave and got back unused in the same transaction
-- (USDC for BUY, shares for SELL); `fee` and `fee_refund` are in shares for BUY orders of the v1 exchanges, else in USDC.
CREATE TABLE chain.fills (
    tx BIGINT NOT NULL,
    log_index INTEGER NOT NULL,
    contract INTEGER NOT NULL,
    order_hash BLOB,
    wallet INTEGER NOT NULL,
    counterparty INTEGER NOT NULL,
    role UTINYINT NOT NULL,           -- 0 maker leg, 1 taker leg, 2 filled by an operator, 3 traded with an AMM pool
    side UTINYINT NOT NULL,           -- 0 BUY, 1 SELL
    layout UTINYINT NOT NULL,         -- 1 v1 exchange, 2 V2 exchange, 3 AMM pool
    token INTEGER NOT NULL,
    shares BIGINT NOT NULL,
    collateral BIGINT NOT NULL,
    fee BIGINT NOT NULL,
    fee_refund BIGINT NOT NULL,
    leftover BIGINT NOT NULL,
    match_log_index INTEGER NOT NULL, -- log index of the taker leg that closes the match; -1 where there is no match
    builder BLOB                      -- V2 only, null when zero
);
