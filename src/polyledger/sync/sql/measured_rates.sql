-- How often each source knew what it was asked, by kind and by the time since the last trade. Reads `impact`.
WITH last_trades AS (
    SELECT '0x' || lower(hex(c.condition_id)) AS key, max(i.last_trade) AS last_trade
    FROM impact AS i JOIN dim.conditions AS c ON c.condition = i.condition
    GROUP BY key
    UNION ALL
    SELECT t.token_id, max(i.last_trade)
    FROM impact AS i JOIN dim.tokens AS t ON t.token = i.token
    GROUP BY t.token_id
),
settled AS (
    SELECT DISTINCT r.source, '0x' || lower(hex(c.condition_id)) AS key
    FROM claim.resolutions AS r JOIN dim.conditions AS c ON c.condition = r.condition
    WHERE r.state IN ('resolved', 'void') AND r.verdict <> 'quarantined'
),
asked AS (
    SELECT source, kind, lookup_key AS key, bool_or(outcome = 'found') AS found, max(asked_at) AS asked_at
    FROM meta.lookups GROUP BY source, kind, lookup_key
)
SELECT a.source, a.kind,
       CASE WHEN epoch(a.asked_at) - t.last_trade < 30 * 86400 THEN '< 30 days'
            WHEN epoch(a.asked_at) - t.last_trade <= 90 * 86400 THEN '30-90 days' ELSE '> 90 days' END AS tier,
       count(*) AS asked,
       count(*) FILTER (WHERE a.found AND (a.kind <> 'resolution' OR s.key IS NOT NULL)) AS found
FROM asked AS a
LEFT JOIN last_trades AS t ON t.key = a.key
LEFT JOIN settled AS s ON a.kind = 'resolution' AND s.source = a.source AND s.key = a.key
GROUP BY a.source, a.kind, tier;
