-- Accounts that a ledger of some wallets does not show: neither scanned for, nor known from imported trades.
CREATE VIEW book.accounts_outside AS
SELECT account FROM book.accounts_unscanned
WHERE account NOT IN (SELECT wallet FROM imported.trades WHERE wallet IS NOT NULL);
