SELECT tx, log_index, CAST(condition AS BIGINT) AS condition, numerators FROM chain.resolutions;
