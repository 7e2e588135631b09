-- What the ledger is made of.
SELECT (SELECT min(from_block) FROM meta.intervals) AS from_block,
       (SELECT max(to_block) FROM meta.intervals) AS to_block,
       (SELECT count(*) FROM chain.fills) AS fills,
       (SELECT count(*) FROM imported.files) AS files,
       (SELECT CAST(coalesce(sum(rows - rejected), 0) AS BIGINT) FROM imported.files) AS imported_rows,
       (SELECT min(timestamp) FROM (
            SELECT b.timestamp FROM chain.blocks AS b WHERE b.number = (SELECT min(tx) // 65536 FROM chain.fills)
            UNION ALL SELECT min(timestamp) FROM imported.trades) AS f) AS first_trade,
       (SELECT max(timestamp) FROM (
            SELECT b.timestamp FROM chain.blocks AS b WHERE b.number = (SELECT max(tx) // 65536 FROM chain.fills)
            UNION ALL SELECT max(timestamp) FROM imported.trades) AS l) AS last_trade,
       (SELECT count(*) FROM meta.runs) AS runs;
