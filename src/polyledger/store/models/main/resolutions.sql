-- How conditions were settled: by an event on chain, or, where the chain cannot say, by the best claim (source says
-- whose). payout_numerators of a claim are micro-USDC a share. A condition nobody calls settled has its state alone.
CREATE VIEW resolutions AS
SELECT '0x' || lower(hex(c.condition_id)) AS condition_id, f.state, r.tx // 65536 AS block,
       make_timestamp(coalesce(b.timestamp, f.resolved_at) * 1000000) AS block_time,
       '0x' || lower(hex(x.hash)) AS transaction_hash, r.log_index,
       '0x' || lower(hex(o.address)) AS oracle, f.numerators AS payout_numerators, f.source, f.verdict, f.lagging
FROM book.resolution_facts AS f
JOIN dim.conditions AS c ON c.condition = f.condition
LEFT JOIN chain.resolutions AS r ON r.condition = f.condition
LEFT JOIN dim.accounts AS o ON o.account = r.oracle
LEFT JOIN chain.transactions AS x ON x.tx = r.tx
LEFT JOIN chain.blocks AS b ON b.number = r.tx // 65536;
