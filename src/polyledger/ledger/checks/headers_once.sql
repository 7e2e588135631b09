-- One header per block, and the parent of each known header is the block stored before it.
SELECT 'block ' || CAST(b.number AS VARCHAR) AS subject, 'stored ' || CAST(count(*) AS VARCHAR) || ' times' AS detail
FROM chain.blocks AS b GROUP BY b.number HAVING count(*) > 1
UNION ALL
SELECT 'block ' || CAST(b.number AS VARCHAR), 'its parent hash is not the hash of the block before it'
FROM chain.blocks AS b JOIN chain.blocks AS p ON p.number = b.number - 1
WHERE b.parent_hash IS NOT NULL AND b.parent_hash <> p.hash;
