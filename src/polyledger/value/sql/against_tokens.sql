-- What the tokens in batch_tokens are, what a share of them pays, and the price of their last fill.
SELECT b.token, coalesce(t.condition, -1) AS condition, coalesce(t.outcome_index, -1) AS outcome_index,
       CAST(coalesce(t.numerator, 0) AS BIGINT) AS numerator, CAST(coalesce(t.denominator, 0) AS BIGINT) AS denominator,
       coalesce(f.outcome_slots, 2) AS slots, coalesce(f.category, 'Uncategorized') AS category,
       f.market_id IS NOT NULL AS has_market, f.market_id,
       CASE WHEN f.condition_id IS NOT NULL THEN '0x' || lower(hex(f.condition_id)) END AS condition_id,
       coalesce(l.price, 0) AS price
FROM batch_tokens AS b
LEFT JOIN book.token_facts AS t ON t.token = b.token
LEFT JOIN book.condition_facts AS f ON f.condition = t.condition
LEFT JOIN (
    SELECT f.token, arg_max(CAST(f.collateral AS DOUBLE) / f.shares, f.tx * 1048576 + f.log_index) AS price
    FROM chain.fills AS f JOIN batch_tokens AS b ON b.token = f.token
    WHERE f.shares > 0
    GROUP BY f.token
) AS l ON l.token = b.token
ORDER BY b.token;
