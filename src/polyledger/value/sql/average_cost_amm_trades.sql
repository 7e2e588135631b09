SELECT f.tx, f.log_index, CAST(f.contract AS BIGINT) AS pool, CAST(f.wallet AS BIGINT) AS trader, f.side,
       t.outcome_index, f.collateral, f.shares
FROM chain.fills AS f JOIN dim.tokens AS t ON t.token = f.token WHERE f.role = 3;
