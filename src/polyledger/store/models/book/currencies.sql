-- Which ERC-20 contracts are Polymarket money: 1 = USDC.e and pUSD, 2 = wrapped collateral.
CREATE VIEW book.currencies AS
SELECT account, CAST(CASE WHEN role = 'wrapped_collateral' THEN 2 ELSE 1 END AS UTINYINT) AS currency
FROM dim.contracts
WHERE role IN ('collateral', 'collateral_token', 'wrapped_collateral');
