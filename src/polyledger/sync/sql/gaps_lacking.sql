-- Legs on chain, within the time that imported files span, that no imported row is: what the files lack.
CREATE OR REPLACE TEMP TABLE lacking AS
WITH span AS (SELECT min(timestamp) AS first, max(timestamp) AS last FROM imported.trades)
SELECT {chain_part} AS part, CAST(f.tx AS VARCHAR) || '-' || CAST(f.log_index AS VARCHAR) AS leg, k.condition,
       CASE WHEN f.role = 0 THEN 0 WHEN f.side = 0 THEN f.collateral - f.leftover ELSE f.collateral END AS volume
FROM book.counted_fills AS f
JOIN chain.blocks AS x ON x.number = f.tx // 65536
JOIN span AS s ON x.timestamp BETWEEN s.first AND s.last
JOIN dim.tokens AS k ON k.token = f.token
LEFT JOIN imported.matches AS m ON m.tx = f.tx AND m.log_index = f.log_index
{chain_join}
WHERE m.trade IS NULL AND {chain_where};
