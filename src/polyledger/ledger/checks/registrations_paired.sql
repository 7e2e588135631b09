-- TokenRegistered comes twice with its tokens swapped, and the tokens derive from the condition it names.
SELECT '0x' || lower(hex(x.hash)) AS subject,
       'log ' || CAST(r.log_index AS VARCHAR) || ': a token registration '
           || CASE WHEN t.token IS NULL THEN 'that its condition refutes' ELSE 'without its mirror image' END AS detail
FROM chain.registrations AS r
JOIN chain.transactions AS x ON x.tx = r.tx
LEFT JOIN dim.tokens AS t ON t.token = r.token0 AND t.condition = r.condition
WHERE t.token IS NULL OR NOT EXISTS (
    SELECT 1 FROM chain.registrations AS m
    WHERE m.tx = r.tx AND m.contract = r.contract AND m.condition = r.condition
      AND m.token0 = r.token1 AND m.token1 = r.token0);
