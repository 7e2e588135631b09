-- What an imported row means, by its link (see book.imported_rows): condition, outcome, state, reason and verdict.
-- position is the key of its holdings: a token, or a negative number where there is none.
CREATE VIEW book.imported_links AS
SELECT CAST(t.token AS BIGINT) AS link, CAST(NULL AS INTEGER) AS identity, t.token, t.condition, t.outcome_index,
       t.token AS position, coalesce(u.state, 'attributed') AS state, u.reason,
       CASE WHEN u.token IS NULL THEN 'proven' END AS verdict
FROM dim.tokens AS t
LEFT JOIN book.unlinked_tokens AS u ON u.token = t.token
UNION ALL
SELECT -1 - CAST(l.identity AS BIGINT) * 4 - s.step, l.identity, l.token, l.condition, l.outcome_index, l.position,
       CASE WHEN l.state <> 'unfillable' OR s.step IN (0, 2) THEN l.state
            WHEN s.step = 3 THEN 'unfillable' ELSE 'pending' END,
       CASE WHEN l.state <> 'unfillable' OR s.step = 0 THEN l.reason
            WHEN s.step = 3 THEN 'refuted by proof'
            WHEN s.step = 1 THEN 'known only by transaction'
            WHEN l.reason = 'no identity' THEN 'unknown to all sources' ELSE l.reason END,
       l.verdict
FROM book.identity_links AS l
CROSS JOIN (SELECT unnest(range(4)) AS step) AS s;
