-- One row per token that the chain or a source knows: its condition and outcome where derivation proves them, from whom
-- (the one that ranks highest among those who say it), and how many sources agree and how many are refuted.
CREATE VIEW condition_id_merged AS
WITH voices AS (
    SELECT v.token, min(CASE WHEN v.verdict = 'proven' THEN r.rank END) AS best,
           count(DISTINCT CASE WHEN v.verdict = 'proven' THEN v.source END) AS agreeing,
           count(DISTINCT CASE WHEN v.verdict = 'refuted' THEN v.source END) AS refuted
    FROM book.token_claims AS v JOIN book.source_ranks AS r ON r.source = v.source
    WHERE v.token IS NOT NULL GROUP BY v.token
),
firsts AS (
    SELECT v.token, min(v.source) AS source
    FROM book.token_claims AS v
    JOIN book.source_ranks AS r ON r.source = v.source
    JOIN voices AS b ON b.token = v.token AND b.best = r.rank
    WHERE v.verdict = 'proven' GROUP BY v.token
)
SELECT t.token_id, '0x' || lower(hex(f.condition_id)) AS condition_id, t.outcome_index, f.market_id,
       CASE WHEN t.condition IS NOT NULL THEN 'proven' ELSE 'unknown' END AS verdict,
       CASE WHEN t.condition IS NULL THEN NULL WHEN f.on_chain THEN 'chain' ELSE s.source END AS source,
       coalesce(v.agreeing, 0) + CASE WHEN f.on_chain THEN 1 ELSE 0 END AS agreeing, coalesce(v.refuted, 0) AS refuted
FROM dim.tokens AS t
LEFT JOIN book.condition_facts AS f ON f.condition = t.condition
LEFT JOIN voices AS v ON v.token = t.token
LEFT JOIN firsts AS s ON s.token = t.token
WHERE f.on_chain OR v.token IS NOT NULL;
