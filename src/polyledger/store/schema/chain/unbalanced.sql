-- Transactions whose protocol events and transfers disagree, found while the batch came in. Empty in a sound ledger.
CREATE TABLE chain.unbalanced (
    tx BIGINT NOT NULL,
    account INTEGER NOT NULL,
    token INTEGER,
    currency UTINYINT,
    difference HUGEINT NOT NULL
);
