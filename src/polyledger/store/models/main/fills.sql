-- Every fill (order leg) of the chain, ids in their normal form, amounts in 1e-6 units.
CREATE VIEW fills AS
SELECT f.tx // 65536 AS block, make_timestamp(b.timestamp * 1000000) AS block_time,
       '0x' || lower(hex(x.hash)) AS transaction_hash, f.log_index,
       '0x' || lower(hex(a.address)) AS wallet, '0x' || lower(hex(o.address)) AS counterparty,
       '0x' || lower(hex(e.address)) AS exchange,
       CASE f.role WHEN 0 THEN 'maker' WHEN 1 THEN 'taker' WHEN 2 THEN 'operator' ELSE 'amm' END AS role,
       CASE f.side WHEN 0 THEN 'BUY' ELSE 'SELL' END AS side,
       t.token_id, '0x' || lower(hex(c.condition_id)) AS condition_id, t.outcome_index,
       f.shares, f.collateral, f.leftover, f.fee, f.fee_refund,
       CASE WHEN f.layout = 1 AND f.side = 0 THEN 'shares' ELSE 'USDC' END AS fee_asset,
       CASE WHEN f.order_hash IS NOT NULL THEN '0x' || lower(hex(f.order_hash)) END AS order_hash,
       CASE WHEN f.builder IS NOT NULL THEN '0x' || lower(hex(f.builder)) END AS builder
FROM chain.fills AS f
JOIN chain.transactions AS x ON x.tx = f.tx
LEFT JOIN chain.blocks AS b ON b.number = f.tx // 65536
JOIN dim.accounts AS a ON a.account = f.wallet
JOIN dim.accounts AS o ON o.account = f.counterparty
JOIN dim.accounts AS e ON e.account = f.contract
JOIN dim.tokens AS t ON t.token = f.token
LEFT JOIN dim.conditions AS c ON c.condition = t.condition;
