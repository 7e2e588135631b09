-- How each condition was settled, as far as anybody says. The chain decides where it says something; else the best
-- claim, and that only where the chain cannot speak: a claimed result of a time that is scanned completely, without a
-- ConditionResolution, contradicts the chain and is not used. (What a source derived for a neg-risk sibling has no event
-- of its own.) An event that was looked up outside the scanned blocks is a claim of the source chain. numerators are as
-- reported on chain; of a claim, micro-USDC a share. verdict: proven for the chain.
CREATE VIEW book.resolution_facts AS
WITH contradicted AS (
    SELECT c.condition
    FROM book.claimed_resolutions AS c JOIN chain.preparations AS p ON p.condition = c.condition
    WHERE len(c.payouts) <> p.outcome_slots
    UNION
    SELECT c.condition
    FROM book.claimed_resolutions AS c
    JOIN chain.preparations AS p ON p.condition = c.condition
    JOIN book.scanned_islands AS i ON p.tx // 65536 BETWEEN i.from_block AND i.to_block
        AND coalesce(c.resolved_at, c.first_claimed) BETWEEN i.first_time AND i.last_time
    WHERE c.payouts IS NOT NULL AND NOT c.derived AND c.source <> 'chain'
    UNION
    SELECT c.condition
    FROM book.claimed_resolutions AS c
    JOIN book.scanned_times AS t ON t.day = c.resolved_at // 86400 AND c.resolved_at BETWEEN t.first_time AND t.last_time
    WHERE c.payouts IS NOT NULL AND NOT c.derived AND c.source <> 'chain'
)
SELECT condition, tx, CASE WHEN list_min(numerators) = list_max(numerators) THEN 'void' ELSE 'resolved' END AS state,
       numerators, 'chain' AS source, 'proven' AS verdict, CAST(NULL AS BIGINT) AS resolved_at, false AS lagging
FROM chain.resolutions
UNION ALL
SELECT c.condition, NULL, CASE WHEN x.condition IS NULL THEN c.state ELSE 'open' END,
       CASE WHEN x.condition IS NULL THEN c.payouts END, c.source,
       CASE WHEN x.condition IS NOT NULL THEN 'conflict' WHEN c.source = 'chain' THEN 'proven' ELSE c.verdict END,
       c.resolved_at, c.lagging
FROM book.claimed_resolutions AS c
LEFT JOIN contradicted AS x ON x.condition = c.condition
WHERE c.condition NOT IN (SELECT condition FROM chain.resolutions);
