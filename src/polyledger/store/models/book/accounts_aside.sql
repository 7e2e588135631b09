-- Accounts that are never shown as wallets: contracts, AMM pools, fee receivers, operators and admins, and in a ledger of
-- some wallets whoever else is in it.
CREATE VIEW book.accounts_aside AS
SELECT account FROM dim.contracts
UNION SELECT pool FROM chain.amm_pools
UNION SELECT receiver FROM chain.fees_charged
UNION SELECT account FROM chain.roles WHERE granted
UNION SELECT account FROM book.accounts_outside;
