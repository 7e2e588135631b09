-- Fills decoded from receipts of transactions that imported rows name and no scanned block holds. They tell what such
-- a row is; they are no part of the journal.
CREATE TABLE claim.receipt_fills (
    transaction INTEGER NOT NULL,     -- key in imported.transactions
    block BIGINT NOT NULL,
    log_index INTEGER NOT NULL,
    contract INTEGER NOT NULL,
    wallet INTEGER NOT NULL,
    counterparty INTEGER NOT NULL,
    role UTINYINT NOT NULL,
    side UTINYINT NOT NULL,
    token INTEGER NOT NULL,
    shares BIGINT NOT NULL,
    collateral BIGINT NOT NULL,
    fee BIGINT NOT NULL,
    evidence_id BIGINT NOT NULL
);
