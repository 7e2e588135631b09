-- A leg outside any match was filled by an operator of its exchange (fillOrder); anybody else there means that the leg
-- that closed the match is missing.
SELECT '0x' || lower(hex(x.hash)) AS subject,
       'log ' || CAST(f.log_index AS VARCHAR) || ': a maker leg without the taker leg of its match' AS detail
FROM chain.fills AS f
JOIN chain.transactions AS x ON x.tx = f.tx
WHERE f.role = 2 AND f.counterparty IN (SELECT wallet FROM chain.matches AS m WHERE m.tx = f.tx)
  AND f.tx BETWEEN $first AND $last;
