-- Every token that moved derives from a known condition.
WITH moved AS (
    SELECT token, min(tx) AS tx FROM (
        SELECT token, tx FROM chain.share_transfers UNION ALL SELECT token, tx FROM chain.fills
    ) AS seen GROUP BY token
)
SELECT '0x' || lower(hex(x.hash)) AS subject,
       'token ' || t.token_id || ' derives from no known condition' AS detail
FROM moved AS m
JOIN dim.tokens AS t ON t.token = m.token
JOIN chain.transactions AS x ON x.tx = m.tx
WHERE t.condition IS NULL;
