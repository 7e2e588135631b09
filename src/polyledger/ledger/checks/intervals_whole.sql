-- Scanned intervals follow on one another: no hole, no overlap, and no event outside them.
WITH ordered AS (
    SELECT scope, from_block, to_block,
           lag(to_block) OVER (PARTITION BY scope ORDER BY from_block, to_block) AS before
    FROM meta.intervals
)
SELECT 'blocks ' || CAST(before AS VARCHAR) || ' to ' || CAST(from_block AS VARCHAR) AS subject,
       CASE WHEN from_block > before + 1 THEN 'a hole between scanned intervals' ELSE 'scanned intervals overlap' END
           AS detail
FROM ordered
WHERE before IS NOT NULL AND from_block <> before + 1
  -- A ledger that was told to leave times out has holes on purpose; scans of wallets leave out what others have done.
  AND (from_block <= before
       OR (scope NOT LIKE '%:wallets=%' AND NOT EXISTS (SELECT 1 FROM meta.settings WHERE name = 'windows')))
UNION ALL
SELECT '0x' || lower(hex(x.hash)), 'a transaction outside every scanned interval'
FROM chain.transactions AS x
WHERE NOT EXISTS (
    SELECT 1 FROM meta.intervals AS i WHERE x.tx >= i.from_block * 65536 AND x.tx < (i.to_block + 1) * 65536)
  AND (x.tx < (SELECT min(from_block) FROM meta.intervals) * 65536
       OR x.tx >= ((SELECT max(to_block) FROM meta.intervals) + 1) * 65536);
