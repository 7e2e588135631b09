CREATE VIEW resolutions AS
SELECT '0x' || lower(hex(c.condition_id)) AS condition_id, r.tx // 65536 AS block,
       make_timestamp(b.timestamp * 1000000) AS block_time, '0x' || lower(hex(x.hash)) AS transaction_hash, r.log_index,
       '0x' || lower(hex(o.address)) AS oracle, r.numerators AS payout_numerators, 'chain' AS source
FROM chain.resolutions AS r
JOIN dim.conditions AS c ON c.condition = r.condition
JOIN dim.accounts AS o ON o.account = r.oracle
JOIN chain.transactions AS x ON x.tx = r.tx
LEFT JOIN chain.blocks AS b ON b.number = r.tx // 65536;
