-- What is contradicted, one row each, most volume first: fields of markets on which the latest answers of sources
-- differ, settlements on which they differ among themselves or with the chain, and what derivation refutes. trades and
-- volume are those that hang on the condition, or on the token.
WITH voices AS (
    SELECT source, condition, max(evidence_id) AS evidence_id
    FROM claim.markets WHERE verdict IN ('proven', 'claimed') GROUP BY source, condition
),
latest AS (
    SELECT m.* FROM claim.markets AS m
    JOIN voices AS v ON v.source = m.source AND v.condition = m.condition AND v.evidence_id = m.evidence_id
    WHERE m.verdict IN ('proven', 'claimed')
),
differing AS (
    SELECT condition, field
    FROM (
        SELECT condition, 'market_id' AS field, market_id AS value FROM latest
        UNION ALL SELECT condition, 'event_id', event_id FROM latest
        UNION ALL SELECT condition, 'question', question FROM latest
        UNION ALL SELECT condition, 'slug', slug FROM latest
        UNION ALL SELECT condition, 'category', category FROM latest
    ) AS said
    WHERE value <> '' GROUP BY condition, field HAVING count(DISTINCT value) > 1
),
settled AS (
    SELECT r.source, r.condition, max(r.evidence_id) AS evidence_id
    FROM claim.resolutions AS r WHERE r.verdict = 'claimed' GROUP BY r.source, r.condition
),
on_chain AS (
    SELECT r.condition, b.timestamp,
           CAST(list_transform(r.numerators, lambda n: CAST((CAST(n AS HUGEINT) * 1000000 // list_sum(r.numerators) + 50)
                                                            // 100 AS BIGINT)) AS VARCHAR) AS vote
    FROM chain.resolutions AS r LEFT JOIN chain.blocks AS b ON b.number = r.tx // 65536
    WHERE list_sum(r.numerators) > 0
),
votes AS (
    SELECT r.condition, c.vote AS chain_vote,
           CASE WHEN r.payouts IS NOT NULL THEN CAST(list_transform(r.payouts, lambda p: (p + 50) // 100) AS VARCHAR)
                WHEN r.state = 'open' AND epoch(r.observed_at) >= coalesce(c.timestamp, k.first_claimed) + 86400
                THEN 'open' END AS vote
    FROM claim.resolutions AS r
    JOIN settled AS s ON s.source = r.source AND s.condition = r.condition AND s.evidence_id = r.evidence_id
    LEFT JOIN on_chain AS c ON c.condition = r.condition
    LEFT JOIN book.claimed_resolutions AS k ON k.condition = r.condition
    WHERE r.verdict = 'claimed'
),
unsettled AS (
    SELECT condition FROM votes WHERE vote IS NOT NULL
    GROUP BY condition HAVING count(DISTINCT vote) > 1 OR max(chain_vote) <> max(vote)
    UNION
    SELECT condition FROM book.resolution_facts WHERE verdict = 'conflict'
),
found AS (
    SELECT 'market' AS kind, d.condition, CAST(NULL AS INTEGER) AS token, d.field,
           CASE d.field WHEN 'market_id' THEN n.market_id_verdict WHEN 'event_id' THEN n.event_id_verdict
                WHEN 'question' THEN n.question_verdict WHEN 'slug' THEN n.slug_verdict ELSE n.category_verdict END
               AS verdict
    FROM differing AS d LEFT JOIN book.market_names AS n ON n.condition = d.condition
    UNION ALL
    SELECT 'resolution', u.condition, NULL, 'payout', f.verdict
    FROM unsettled AS u LEFT JOIN book.resolution_facts AS f ON f.condition = u.condition
    UNION ALL
    SELECT DISTINCT 'refuted', m.condition, CAST(NULL AS INTEGER), 'token_ids',
           CASE WHEN t.condition IS NULL THEN 'unknown' ELSE 'proven' END
    FROM claim.markets AS m LEFT JOIN (SELECT DISTINCT condition FROM dim.tokens) AS t ON t.condition = m.condition
    WHERE m.verdict = 'refuted'
    UNION ALL
    SELECT DISTINCT 'refuted', t.condition, c.token,
           CASE WHEN t.condition = c.condition THEN 'outcome_index' ELSE 'condition' END,
           CASE WHEN t.condition IS NULL THEN 'unknown' ELSE 'proven' END
    FROM claim.tokens AS c JOIN dim.tokens AS t ON t.token = c.token
    WHERE c.verdict = 'refuted'
),
by_condition AS (
    SELECT condition, sum(trades) AS trades, sum(volume) AS volume
    FROM book.trade_attribution WHERE condition IS NOT NULL GROUP BY condition
),
by_token AS (
    SELECT token, sum(trades) AS trades, sum(volume) AS volume
    FROM book.trade_attribution WHERE token IS NOT NULL GROUP BY token
)
SELECT f.kind, f.condition, f.token, f.field, coalesce(f.verdict, 'unknown') AS verdict,
       '0x' || lower(hex(d.condition_id)) AS condition_id, t.token_id,
       CAST(coalesce(k.trades, c.trades, 0) AS BIGINT) AS trades, CAST(coalesce(k.volume, c.volume, 0) AS BIGINT) AS volume
FROM found AS f
LEFT JOIN dim.conditions AS d ON d.condition = f.condition
LEFT JOIN dim.tokens AS t ON t.token = f.token
LEFT JOIN by_condition AS c ON c.condition = f.condition AND f.token IS NULL
LEFT JOIN by_token AS k ON k.token = f.token
ORDER BY volume DESC, f.verdict = 'conflict' DESC, f.kind, condition_id, token_id, f.field
LIMIT {limit};
