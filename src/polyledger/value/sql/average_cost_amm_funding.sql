SELECT tx, log_index, CAST(pool AS BIGINT) AS pool, CAST(funder AS BIGINT) AS funder, kind, amounts,
       collateral_from_fees, pool_shares
FROM chain.amm_funding;
