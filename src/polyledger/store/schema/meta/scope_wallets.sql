-- Whom a scan of wallets was for: the accounts of each scope in meta.intervals that is not about everything.
CREATE TABLE meta.scope_wallets (
    scope VARCHAR NOT NULL,
    account INTEGER NOT NULL
);
