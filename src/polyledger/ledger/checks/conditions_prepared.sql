-- Every condition in use was prepared on chain, before its first use.
WITH uses AS (
    SELECT condition, min(tx) AS tx
    FROM (
        SELECT condition, tx FROM chain.position_changes
        UNION ALL SELECT condition, tx FROM chain.redemptions
        UNION ALL SELECT condition, tx FROM chain.resolutions
            WHERE oracle NOT IN (SELECT account FROM dim.contracts WHERE role = 'protocol_module')
        UNION ALL SELECT condition, tx FROM chain.registrations
        UNION ALL SELECT condition, tx FROM chain.neg_risk_questions
    ) AS seen
    GROUP BY condition
)
SELECT '0x' || lower(hex(x.hash)) AS subject,
       'condition 0x' || lower(hex(c.condition_id)) || ' is used here, and '
           || CASE WHEN p.tx IS NULL THEN 'its preparation is missing' ELSE 'was prepared only later' END AS detail
FROM uses AS u
JOIN dim.conditions AS c ON c.condition = u.condition
JOIN chain.transactions AS x ON x.tx = u.tx
LEFT JOIN chain.preparations AS p ON p.condition = u.condition
WHERE p.tx IS NULL OR p.tx > u.tx;
