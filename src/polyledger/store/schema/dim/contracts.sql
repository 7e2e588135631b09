-- The contract set this ledger is kept for. A contract of the pUSD era settles through a common clearing account, because
-- its adapters move collateral among themselves without naming the user; elsewhere clearing = account.
CREATE TABLE dim.contracts (
    account INTEGER NOT NULL,
    role VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    clearing INTEGER NOT NULL
);
