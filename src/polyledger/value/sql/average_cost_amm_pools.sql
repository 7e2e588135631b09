SELECT CAST(pool AS BIGINT) AS pool, CAST(condition AS BIGINT) AS condition, -1 - CAST(pool AS BIGINT) AS share_token
FROM chain.amm_pools;
