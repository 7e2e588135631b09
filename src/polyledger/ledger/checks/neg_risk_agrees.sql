-- The adapter and ConditionalTokens tell the same story: each question its condition, each outcome its resolution.
WITH adapter AS (SELECT account FROM dim.contracts WHERE role = 'neg_risk_adapter'),
findings AS (
    SELECT q.tx, 'a question without the preparation of its condition' AS detail
    FROM chain.neg_risk_questions AS q
    WHERE NOT EXISTS (SELECT 1 FROM chain.preparations AS p WHERE p.condition = q.condition AND p.tx = q.tx)
    UNION ALL
    SELECT p.tx, 'a condition of the adapter without its question'
    FROM chain.preparations AS p
    WHERE p.oracle IN (SELECT account FROM adapter)
      AND NOT EXISTS (SELECT 1 FROM chain.neg_risk_questions AS q WHERE q.condition = p.condition AND q.tx = p.tx)
    UNION ALL
    SELECT o.tx, 'an outcome without the resolution of its condition'
    FROM chain.outcomes_reported AS o
    WHERE NOT EXISTS (
        SELECT 1 FROM chain.resolutions AS r WHERE r.condition = o.condition AND r.tx = o.tx
          AND (r.numerators[1] > 0) = o.outcome)
    UNION ALL
    SELECT r.tx, 'a resolution by the adapter without its reported outcome'
    FROM chain.resolutions AS r
    WHERE r.oracle IN (SELECT account FROM adapter)
      AND NOT EXISTS (SELECT 1 FROM chain.outcomes_reported AS o WHERE o.condition = r.condition AND o.tx = r.tx)
)
SELECT '0x' || lower(hex(x.hash)) AS subject, f.detail
FROM findings AS f JOIN chain.transactions AS x ON x.tx = f.tx;
