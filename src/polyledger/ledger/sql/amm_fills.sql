-- A trade with an AMM pool is a fill of the trader against the pool; its fee stays in the pool and is part of the price.
INSERT INTO chain.fills
SELECT b.tx, b.log_index, b.contract, NULL, b.trader, b.contract, 3, b.side, 3, t.token, b.shares, b.collateral,
       0, 0, 0, -1, NULL
FROM batch_trades AS b
JOIN chain.amm_pools AS p ON p.pool = b.contract
JOIN dim.tokens AS t ON t.condition = p.condition AND t.collateral = p.collateral AND t.outcome_index = b.outcome_index;
