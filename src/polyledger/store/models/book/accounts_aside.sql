-- Accounts that are never wallets: contracts, AMM pools, fee receivers, operators and admins.
CREATE VIEW book.accounts_aside AS
SELECT account FROM dim.contracts
UNION SELECT pool FROM chain.amm_pools
UNION SELECT receiver FROM chain.fees_charged
UNION SELECT account FROM chain.roles WHERE granted;
