SELECT f.tx, f.log_index, CAST(f.wallet AS BIGINT) AS wallet, f.side, CAST(f.token AS BIGINT) AS token, f.shares,
       f.collateral
FROM chain.fills AS f WHERE f.role <> 3 AND {fills};
