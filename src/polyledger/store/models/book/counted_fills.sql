-- The fills that count as the ledger's trades: all of them, or in a ledger of some wallets these wallets' own legs (the
-- other legs of their matches are there to check them by). once: whether the leg's volume counts, so that a match counts
-- once. store/scopes.py writes the view anew when a ledger becomes one of wallets, or of everybody.
CREATE VIEW book.counted_fills AS
SELECT f.*, f.role <> 0 AS once
FROM chain.fills AS f;
