-- See book.identity_links for what the columns mean.
INSERT INTO book.identity_links
WITH
by_market AS (
    SELECT market_id, min(condition) AS condition, count(DISTINCT condition) AS conditions
    FROM book.market_names WHERE market_id IS NOT NULL GROUP BY market_id
),
by_slug AS (
    SELECT slug, min(condition) AS condition, count(DISTINCT condition) AS conditions
    FROM book.market_names WHERE slug IS NOT NULL GROUP BY slug
),
labels AS (
    SELECT condition, label, min(outcome_index) AS outcome_index, count(*) AS outcomes
    FROM (
        SELECT n.condition, CAST(s.outcome_index AS INTEGER) AS outcome_index,
               lower(n.outcomes[s.outcome_index + 1]) AS label
        FROM book.market_names AS n
        JOIN (SELECT unnest(range(256)) AS outcome_index) AS s ON s.outcome_index < len(n.outcomes)
    ) AS named
    GROUP BY condition, label
),
slots AS (
    SELECT n.condition, coalesce(p.outcome_slots, len(n.outcomes)) AS outcome_slots
    FROM book.market_names AS n LEFT JOIN chain.preparations AS p ON p.condition = n.condition
),
refuted AS (
    SELECT DISTINCT token, condition FROM claim.tokens
    WHERE verdict IN ('refuted', 'quarantined') AND condition IS NOT NULL
),
derived AS (
    SELECT t.condition, t.outcome_index,
           coalesce(min(CASE WHEN t.collateral = p.wrapped_collateral THEN t.token END),
                    min(CASE WHEN t.collateral = p.collateral THEN t.token END), min(t.token)) AS token
    FROM dim.tokens AS t CROSS JOIN book.protocol AS p
    WHERE t.condition IS NOT NULL GROUP BY t.condition, t.outcome_index
),
candidates AS (
    SELECT i.identity, i.token, i.condition AS own_condition, i.market_id, i.slug, i.outcome_index AS own_index,
           lower(i.outcome) AS label, t.token_id, t.condition AS proven_condition, t.outcome_index AS proven_index,
           CASE WHEN t.condition IS NOT NULL THEN t.condition WHEN i.condition IS NOT NULL THEN i.condition
                WHEN m.conditions = 1 THEN m.condition WHEN s.conditions = 1 THEN s.condition END AS candidate,
           coalesce(m.conditions, 0) > 1 OR coalesce(s.conditions, 0) > 1 AS ambiguous,
           m.conditions = 1 AND s.conditions = 1 AND m.condition <> s.condition AS differing
    FROM imported.identities AS i
    LEFT JOIN dim.tokens AS t ON t.token = i.token
    LEFT JOIN by_market AS m ON m.market_id = i.market_id
    LEFT JOIN by_slug AS s ON s.slug = i.slug
),
judged AS (
    SELECT c.*,
           CASE WHEN c.proven_condition IS NOT NULL
                THEN CASE WHEN c.own_condition <> c.proven_condition
                          THEN 'token and condition contradict each other by proof' END
                WHEN c.token IS NOT NULL AND (r.token IS NOT NULL OR d.condition IS NOT NULL)
                THEN 'the token does not derive from the condition'
                WHEN c.own_condition IS NOT NULL THEN NULL
                WHEN c.differing THEN 'market id and slug name different conditions'
                WHEN c.candidate IS NULL AND c.ambiguous THEN 'the market id or slug names several conditions'
           END AS conflict
    FROM candidates AS c
    LEFT JOIN refuted AS r ON r.token = c.token AND r.condition = c.candidate
    LEFT JOIN (SELECT DISTINCT condition FROM dim.tokens WHERE condition IS NOT NULL) AS d ON d.condition = c.candidate
),
indexed AS (
    SELECT j.*, CASE WHEN j.conflict IS NULL THEN j.candidate END AS condition,
           CASE WHEN j.conflict IS NOT NULL THEN NULL
                WHEN j.proven_condition IS NOT NULL THEN j.proven_index
                WHEN j.own_index IS NOT NULL AND l.outcomes = 1 AND j.own_index <> l.outcome_index THEN NULL
                WHEN j.own_index IS NOT NULL AND j.own_index >= coalesce(s.outcome_slots, 2) THEN NULL
                WHEN j.own_index IS NOT NULL THEN j.own_index
                WHEN l.outcomes = 1 THEN l.outcome_index END AS outcome_index,
           l.outcomes = 1 AND j.own_index <> l.outcome_index AS disagreeing,
           j.own_index >= coalesce(s.outcome_slots, 2) AS beyond
    FROM judged AS j
    LEFT JOIN labels AS l ON l.condition = j.candidate AND l.label = j.label
    LEFT JOIN slots AS s ON s.condition = j.candidate
),
asked AS (
    SELECT x.*,
           (x.token IS NULL OR t.lookup_key IS NOT NULL) AND (x.market_id IS NULL OR m.lookup_key IS NOT NULL)
           AND (x.slug IS NULL OR s.lookup_key IS NOT NULL) AS exhausted,
           coalesce(m.found, false) OR coalesce(s.found, false) AS market_found, u.reason AS token_reason
    FROM indexed AS x
    LEFT JOIN book.exhausted_keys AS t ON t.kind = 'token' AND t.lookup_key = x.token_id AND x.condition IS NULL
    LEFT JOIN book.exhausted_keys AS m ON m.kind = 'market_id' AND m.lookup_key = x.market_id AND x.condition IS NULL
    LEFT JOIN book.exhausted_keys AS s ON s.kind = 'slug' AND s.lookup_key = x.slug AND x.condition IS NULL
    LEFT JOIN book.unlinked_tokens AS u ON u.token = x.token AND x.condition IS NULL
),
linked AS (
    SELECT a.identity, a.condition, a.outcome_index,
           CASE WHEN a.token IS NOT NULL THEN a.token WHEN a.condition IS NOT NULL THEN d.token END AS token,
           CASE WHEN a.condition IS NOT NULL THEN 'attributed' WHEN a.conflict IS NOT NULL THEN 'conflict'
                WHEN a.exhausted THEN 'unfillable' ELSE 'pending' END AS state,
           CASE WHEN a.condition IS NOT NULL
                THEN CASE WHEN a.proven_condition IS NOT NULL AND a.own_index <> a.proven_index
                          THEN 'outcome corrected by proof'
                          WHEN a.proven_condition IS NULL AND a.disagreeing THEN 'outcome label and index disagree'
                          WHEN a.proven_condition IS NULL AND a.beyond THEN 'no such outcome' END
                WHEN a.conflict IS NOT NULL THEN a.conflict
                WHEN a.token IS NULL AND a.market_id IS NULL AND a.slug IS NULL THEN 'no identity'
                WHEN NOT a.exhausted THEN 'condition not known yet'
                WHEN a.token_reason = 'refuted by proof' THEN 'refuted by proof'
                WHEN a.token IS NULL AND a.market_found THEN 'market never deployed'
                ELSE 'unknown to all sources' END AS reason,
           CASE WHEN a.condition IS NULL THEN NULL WHEN a.proven_condition IS NOT NULL THEN 'proven'
                ELSE 'claimed' END AS verdict
    FROM asked AS a
    LEFT JOIN derived AS d ON d.condition = a.condition AND d.outcome_index = a.outcome_index
)
SELECT identity, token, condition, outcome_index, state, reason, verdict,
       CASE WHEN token IS NOT NULL AND state <> 'conflict' THEN token
            WHEN condition IS NULL OR outcome_index IS NULL THEN -1 - identity
            ELSE -1 - min(identity) OVER (PARTITION BY condition, outcome_index) END AS position
FROM linked;
