-- A share pays at most one dollar, so no fill costs more than its shares; a constant factor in the units shows here.
SELECT '0x' || lower(hex(x.hash)) AS subject,
       'log ' || CAST(f.log_index AS VARCHAR) || ': ' || CAST(f.collateral AS VARCHAR) || ' micro-USDC for '
           || CAST(f.shares AS VARCHAR) || ' micro-shares' AS detail
FROM chain.fills AS f
JOIN chain.transactions AS x ON x.tx = f.tx
WHERE f.role <> 3 AND f.collateral > f.shares + 1;
