-- When each settled condition was settled, in seconds since 1970, UTC: the block time of its ConditionResolution; of a claim
-- what the source says, else when one first said that there is a result.
CREATE VIEW book.settled_times AS
SELECT s.condition, coalesce(b.timestamp, s.resolved_at, c.first_claimed) AS settled_at
FROM book.resolution_facts AS s
LEFT JOIN chain.blocks AS b ON b.number = s.tx // 65536
LEFT JOIN book.claimed_resolutions AS c ON c.condition = s.condition
WHERE s.numerators IS NOT NULL;
