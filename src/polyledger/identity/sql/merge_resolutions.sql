-- Rows of book.claimed_resolutions for the conditions in batch_conditions. Each source has one voice per condition: its
-- latest answer (of several in one answer, a result before none). Results are compared to a ten-thousandth, because
-- sources cut off thirds. A source that says open 24 hours or more after the first result votes against it; before that
-- it lags behind. "Closed without a result" is no vote: CLOB cannot say more of a tie, Gamma of old rows.
INSERT INTO book.claimed_resolutions
WITH voices AS (
    SELECT r.source, r.condition, max(r.evidence_id) AS evidence_id
    FROM claim.resolutions AS r JOIN batch_conditions AS b ON b.condition = r.condition
    WHERE r.verdict = 'claimed'
    GROUP BY r.source, r.condition
),
lowest AS (
    SELECT source, condition, row_number
    FROM (
        SELECT r.source, r.condition, r.rowid AS row_number,
               row_number() OVER (PARTITION BY r.source, r.condition
                                  ORDER BY r.payouts IS NULL, NOT r.stated, r.derived, r.resolved_at IS NULL, r.rowid)
                   AS place
        FROM claim.resolutions AS r
        JOIN voices AS v ON v.source = r.source AND v.condition = r.condition AND v.evidence_id = r.evidence_id
        WHERE r.verdict = 'claimed'
    ) AS placed
    WHERE place = 1
),
first_results AS (
    SELECT r.condition, CAST(min(coalesce(r.resolved_at, epoch(r.observed_at))) AS BIGINT) AS first_claimed
    FROM claim.resolutions AS r JOIN batch_conditions AS b ON b.condition = r.condition
    WHERE r.verdict = 'claimed' AND r.payouts IS NOT NULL
    GROUP BY r.condition
),
current AS (
    SELECT r.source, r.condition, r.state, r.payouts, r.derived, r.resolved_at, f.first_claimed,
           -- Prices alone say it more softly than words.
           k.resolution_rank * 2 + CASE WHEN r.payouts IS NOT NULL AND NOT r.stated THEN 1 ELSE 0 END AS rank,
           CASE WHEN r.payouts IS NOT NULL THEN CAST(list_transform(r.payouts, lambda p: (p + 50) // 100) AS VARCHAR)
                WHEN r.state = 'open' AND epoch(r.observed_at) >= f.first_claimed + 86400 THEN 'open' END AS vote,
           r.state = 'open' AND epoch(r.observed_at) < f.first_claimed + 86400 AND epoch(r.observed_at) >= f.first_claimed
               AS lagging
    FROM claim.resolutions AS r
    JOIN lowest AS l ON l.row_number = r.rowid
    JOIN book.source_ranks AS k ON k.source = r.source
    LEFT JOIN first_results AS f ON f.condition = r.condition
),
said AS (
    SELECT condition, vote, rank, count(*) AS voices, min(source) AS source
    FROM current WHERE vote IS NOT NULL GROUP BY condition, vote, rank
),
whole AS (
    SELECT condition, count(DISTINCT vote) AS different, sum(voices) AS voices, min(rank) AS best
    FROM said GROUP BY condition
),
top AS (
    SELECT s.condition, count(*) AS different, sum(s.voices) AS voices, max(s.voices) AS most
    FROM said AS s JOIN whole AS w ON w.condition = s.condition AND w.best = s.rank
    GROUP BY s.condition
),
decided AS (
    SELECT w.condition, w.best, t.most,
           CASE WHEN w.different = 1 AND w.voices > 1 THEN 'agreed'
                WHEN t.different = 1 THEN 'precedence'
                WHEN t.most * 2 > t.voices THEN 'majority' ELSE 'conflict' END AS verdict
    FROM whole AS w JOIN top AS t ON t.condition = w.condition
),
winners AS (
    SELECT d.condition, d.verdict, s.source
    FROM decided AS d
    LEFT JOIN said AS s ON s.condition = d.condition AND s.rank = d.best AND s.voices = d.most
        AND d.verdict <> 'conflict'
),
states AS (
    SELECT condition, arg_min(state, rank) AS state, arg_min(source, rank) AS source, count(*) AS voices,
           count(DISTINCT state) AS different, coalesce(bool_or(lagging), false) AS lagging,
           min(first_claimed) AS first_claimed
    FROM (SELECT * FROM current ORDER BY condition, rank, source) AS ordered
    GROUP BY condition
)
SELECT s.condition,
       CASE WHEN c.payouts IS NULL THEN CASE WHEN s.state IN ('resolved', 'void') THEN 'closed_unresolved' ELSE s.state END
            WHEN list_min(c.payouts) = list_max(c.payouts) THEN 'void' ELSE 'resolved' END AS state,
       c.payouts, coalesce(w.source, s.source) AS source, coalesce(c.derived, false) AS derived, c.resolved_at,
       s.first_claimed,
       coalesce(w.verdict, CASE WHEN s.voices > 1 AND s.different = 1 THEN 'agreed' ELSE 'precedence' END) AS verdict,
       s.lagging
FROM states AS s
LEFT JOIN winners AS w ON w.condition = s.condition
LEFT JOIN current AS c ON c.condition = s.condition AND c.source = w.source;
