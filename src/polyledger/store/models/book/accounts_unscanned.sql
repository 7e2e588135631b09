-- Accounts of whom only a part is in the ledger, because it was scanned for some wallets: all but these. None in a ledger of
-- everything. The condition is a literal, so that the engine sees that there is nothing to look up: store/scopes.py
-- writes it anew in the transaction that changes it.
CREATE VIEW book.accounts_unscanned AS
SELECT account FROM dim.accounts
WHERE false AND account NOT IN (SELECT account FROM meta.scope_wallets);
