-- Rows of book.market_names for the conditions in batch_conditions. Each source has one voice per condition: its latest
-- answer; of several markets in that answer the lowest number stands, the others stay claims. Per field: all who say
-- something say the same (agreed; a single voice is precedence); else the highest rank is taken if it is of one mind
-- (precedence) or most of it are (majority); else nothing is (conflict).
INSERT INTO book.market_names
WITH voices AS (
    SELECT m.source, m.condition, max(m.evidence_id) AS evidence_id
    FROM claim.markets AS m JOIN batch_conditions AS b ON b.condition = m.condition
    WHERE m.verdict IN ('proven', 'claimed')
    GROUP BY m.source, m.condition
),
lowest AS (
    SELECT source, condition, row_number
    FROM (
        SELECT m.source, m.condition, m.rowid AS row_number,
               row_number() OVER (PARTITION BY m.source, m.condition
                                  ORDER BY coalesce(m.market_id, '') = '', length(m.market_id), m.market_id, m.rowid) AS place
        FROM claim.markets AS m
        JOIN voices AS v ON v.source = m.source AND v.condition = m.condition AND v.evidence_id = m.evidence_id
        WHERE m.verdict IN ('proven', 'claimed')
    ) AS placed
    WHERE place = 1
),
current AS (
    SELECT m.*, r.rank
    FROM claim.markets AS m
    JOIN lowest AS l ON l.row_number = m.rowid
    JOIN book.source_ranks AS r ON r.source = m.source
),
said AS (
    SELECT condition, field, value, rank, count(*) AS voices, min(source) AS source
    FROM (
        SELECT condition, source, rank, 'market_id' AS field, market_id AS value FROM current
        UNION ALL SELECT condition, source, rank, 'question', question FROM current
        UNION ALL SELECT condition, source, rank, 'slug', slug FROM current
        UNION ALL SELECT condition, source, rank, 'event_id', event_id FROM current
        UNION ALL SELECT condition, source, rank, 'category', category FROM current
    ) AS each_field
    WHERE value <> ''
    GROUP BY condition, field, value, rank
),
whole AS (
    SELECT condition, field, count(DISTINCT value) AS different, sum(voices) AS voices, min(rank) AS best
    FROM said GROUP BY condition, field
),
top AS (
    SELECT s.condition, s.field, count(*) AS different, sum(s.voices) AS voices, max(s.voices) AS most
    FROM said AS s JOIN whole AS w ON w.condition = s.condition AND w.field = s.field AND w.best = s.rank
    GROUP BY s.condition, s.field
),
decided AS (
    SELECT w.condition, w.field, w.best, t.most,
           CASE WHEN w.different = 1 AND w.voices > 1 THEN 'agreed'
                WHEN t.different = 1 THEN 'precedence'
                WHEN t.most * 2 > t.voices THEN 'majority' ELSE 'conflict' END AS verdict
    FROM whole AS w JOIN top AS t ON t.condition = w.condition AND t.field = w.field
),
filled AS (
    SELECT d.condition, d.field, d.verdict, s.value, s.source
    FROM decided AS d
    LEFT JOIN said AS s ON s.condition = d.condition AND s.field = d.field AND s.rank = d.best AND s.voices = d.most
        AND d.verdict <> 'conflict'
),
fields AS (
    SELECT condition,
           max(CASE WHEN field = 'market_id' THEN value END) AS market_id,
           max(CASE WHEN field = 'question' THEN value END) AS question,
           max(CASE WHEN field = 'slug' THEN value END) AS slug,
           max(CASE WHEN field = 'event_id' THEN value END) AS event_id,
           max(CASE WHEN field = 'category' THEN value END) AS category,
           coalesce(max(CASE WHEN field = 'market_id' THEN source END),
                    max(CASE WHEN field = 'question' THEN source END)) AS source,
           max(CASE WHEN field = 'market_id' THEN verdict END) AS market_id_verdict,
           max(CASE WHEN field = 'question' THEN verdict END) AS question_verdict,
           max(CASE WHEN field = 'slug' THEN verdict END) AS slug_verdict,
           max(CASE WHEN field = 'event_id' THEN verdict END) AS event_id_verdict,
           max(CASE WHEN field = 'category' THEN verdict END) AS category_verdict
    FROM filled GROUP BY condition
),
-- What nobody argues about: labels, tags and dates of the one who ranks highest among those who have them. Tags are
-- Gamma's before CLOB's, whose tags are labels, not slugs.
labelled AS (
    SELECT condition,
           arg_min(outcomes, rank) FILTER (WHERE len(outcomes) > 0) AS outcomes,
           arg_min(tags, CASE WHEN source = 'gamma' THEN -1 ELSE rank END) FILTER (WHERE tags IS NOT NULL) AS tags,
           arg_min(closed, rank) FILTER (WHERE closed IS NOT NULL) AS closed,
           arg_min(end_date, rank) FILTER (WHERE end_date IS NOT NULL) AS end_date
    FROM (SELECT * FROM current ORDER BY condition, rank, source) AS ordered
    GROUP BY condition
)
SELECT l.condition, f.market_id, f.question, f.slug, l.outcomes, f.event_id, f.category, l.tags, l.closed, l.end_date,
       f.source, f.market_id_verdict, f.question_verdict, f.slug_verdict, f.event_id_verdict, f.category_verdict
FROM labelled AS l LEFT JOIN fields AS f ON f.condition = l.condition;
