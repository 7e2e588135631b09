-- Sums per wallet and token up to and including the transaction in meta.settings 'holdings_upto': what views add the
-- tail of later events to. cash of splits, merges and redemptions sits on the outcome with index 0.
CREATE TABLE book.holdings_base (
    account INTEGER NOT NULL,
    token INTEGER NOT NULL,
    shares BIGINT NOT NULL,
    cash BIGINT NOT NULL,
    bought BIGINT NOT NULL,
    sold BIGINT NOT NULL,
    volume BIGINT NOT NULL,
    fills BIGINT NOT NULL,
    transferred BIGINT NOT NULL
);
