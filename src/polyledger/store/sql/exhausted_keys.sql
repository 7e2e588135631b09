INSERT INTO book.exhausted_keys
SELECT kind, lookup_key, bool_or(found) AS found
FROM (
    SELECT k.kind, k.lookup_key, bool_or(k.outcome = 'found') AS found
    FROM meta.lookups AS k
    JOIN meta.answerers AS a ON a.kind = k.kind AND a.source = k.source
    WHERE k.outcome IN ('found', 'not_found')
    GROUP BY k.kind, k.lookup_key
    HAVING count(DISTINCT k.source) = (SELECT count(DISTINCT b.source) FROM meta.answerers AS b WHERE b.kind = k.kind)
    UNION ALL
    -- What could not be looked at is asked about again, up to seven times (see sync/sql/missing_keys.sql).
    SELECT kind, lookup_key, false FROM meta.lookups
    WHERE outcome = 'unseen' GROUP BY kind, lookup_key HAVING count(*) >= 7
    UNION ALL
    SELECT CASE WHEN kind = 'market' THEN 'market_id' ELSE kind END, lookup_key, false
    FROM meta.pending WHERE next_try IS NULL
) AS keys
GROUP BY kind, lookup_key;
