-- As scanned_times, for the wallets that scans were limited to: where all that each of them did is in the ledger.
CREATE VIEW book.wallet_scanned_times AS
WITH
spans AS (
    SELECT w.account, i.from_block, i.to_block, f.timestamp AS first_time, l.timestamp AS last_time,
           max(i.to_block) OVER (PARTITION BY w.account ORDER BY i.from_block, i.to_block
                                 ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
    FROM meta.scope_wallets AS w
    JOIN meta.intervals AS i ON i.scope = w.scope
    JOIN chain.blocks AS f ON f.number = i.from_block
    JOIN chain.blocks AS l ON l.number = i.to_block
),
numbered AS (
    SELECT account, first_time, last_time,
           sum(CASE WHEN from_block <= before + 1 THEN 0 ELSE 1 END)
               OVER (PARTITION BY account ORDER BY from_block, to_block) AS island
    FROM spans
),
islands AS (
    SELECT account, min(first_time) AS first_time, max(last_time) AS last_time FROM numbered GROUP BY account, island
)
SELECT i.account, d.day, greatest(i.first_time, d.day * 86400) AS first_time,
       least(i.last_time, d.day * 86400 + 86399) AS last_time
FROM islands AS i
JOIN (SELECT unnest(range(16000, 40000)) AS day) AS d
    ON d.day BETWEEN i.first_time // 86400 AND i.last_time // 86400;
