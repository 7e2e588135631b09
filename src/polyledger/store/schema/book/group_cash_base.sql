-- Cash of neg-risk conversions per wallet and neg-risk market, up to the same transaction.
CREATE TABLE book.group_cash_base (
    account INTEGER NOT NULL,
    neg_risk_market INTEGER NOT NULL,
    cash BIGINT NOT NULL
);
