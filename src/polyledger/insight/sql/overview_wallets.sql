-- The same per wallet.
CREATE OR REPLACE TEMP TABLE overview_wallets AS
SELECT account, sum(realized_pnl) AS realized_pnl, sum(low) AS low, sum(high) AS high, sum(volume) AS volume,
       sum(traded_conditions) AS traded, sum(resolved_conditions) AS resolved
FROM overview_parts GROUP BY account;
