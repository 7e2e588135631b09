-- Fills that the chain has and no imported row is.
SELECT f.block, f.block_time, f.transaction_hash, f.log_index, f.wallet, f.counterparty, f.role, f.side, f.token_id,
       f.condition_id, f.outcome_index, k.market_id, k.question, k.event_id, k.category,
       CAST(f.shares * 0.000001 AS DECIMAL(26, 6)) AS shares,
       CAST(f.collateral * 0.000001 AS DECIMAL(26, 6)) AS collateral, CAST(f.fee * 0.000001 AS DECIMAL(26, 6)) AS fee
FROM fills AS f
LEFT JOIN conditions AS k ON k.condition_id = f.condition_id
LEFT JOIN (
    SELECT DISTINCT '0x' || lower(hex(x.hash)) AS transaction_hash, m.log_index
    FROM imported.matches AS m JOIN chain.transactions AS x ON x.tx = m.tx
) AS m ON m.transaction_hash = f.transaction_hash AND m.log_index = f.log_index
WHERE m.log_index IS NULL
