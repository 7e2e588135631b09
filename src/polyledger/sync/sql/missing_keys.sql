-- Every key that something is missing for, with what hangs on it. kind names the look-up that would fill the gap.
-- whose 'chain': the scan of the chain will tell, nobody else need be asked; 'later': the market was open when a source
-- was asked lately. over: the chain has resolved it.
-- barred: sources that have been asked and need not be asked again yet.
CREATE OR REPLACE TEMP TABLE missing AS
WITH of_conditions AS (
    SELECT condition, sum(trades) AS trades, sum(volume) AS volume, max(last_trade) AS last_trade
    FROM impact WHERE condition IS NOT NULL GROUP BY condition
),
wanted AS (
    SELECT k.*, '0x' || lower(hex(k.condition_id)) AS id, coalesce(o.trades, 0) AS trades,
           coalesce(o.volume, 0) AS volume, o.last_trade
    FROM known_conditions AS k
    LEFT JOIN of_conditions AS o ON o.condition = k.condition
    WHERE k.on_chain OR o.condition IS NOT NULL
       OR k.condition IN (SELECT condition FROM known_identities WHERE condition IS NOT NULL)
       OR k.condition IN (SELECT condition FROM imported.movements WHERE condition IS NOT NULL)
),
told AS (SELECT DISTINCT condition FROM claim.resolutions WHERE state IN ('resolved', 'void') AND verdict = 'claimed'),
asked AS (SELECT DISTINCT lookup_key FROM meta.lookups WHERE kind = 'market' AND outcome = 'found'),
-- The tags of an event come with those of its markets as well.
tagged AS (
    SELECT event_id FROM claim.events WHERE tags IS NOT NULL
    UNION
    SELECT event_id FROM claim.markets
    WHERE tags IS NOT NULL AND event_id IS NOT NULL AND verdict NOT IN ('refuted', 'quarantined')
),
event_markets AS (
    SELECT DISTINCT event_id, condition FROM claim.markets
    WHERE event_id IS NOT NULL AND verdict NOT IN ('refuted', 'quarantined')
),
keys AS (
    SELECT 'token' AS kind, t.token_id AS lookup_key, sum(i.trades) AS trades, sum(i.volume) AS volume,
           max(i.last_trade) AS last_trade, 'sources' AS whose, NULL AS over, false AS named
    FROM impact AS i JOIN dim.tokens AS t ON t.token = i.token
    WHERE i.condition IS NULL
    GROUP BY t.token_id
    UNION ALL
    -- A market that the chain has changed since it was asked about is asked about again (see forget_lookups).
    SELECT 'market', w.id, w.trades, w.volume, w.last_trade, 'sources', CASE WHEN w.resolved THEN true END,
           w.named_by IS NOT NULL
    FROM wanted AS w
    WHERE w.market_id IS NULL
       OR (w.on_chain AND w.named_by NOT LIKE 'file:%' AND w.id NOT IN (SELECT lookup_key FROM asked))
    UNION ALL
    SELECT 'resolution', w.id, w.trades, w.volume, w.last_trade,
           CASE WHEN w.prepared_tx IS NOT NULL THEN 'chain' ELSE 'sources' END, NULL, w.named_by IS NOT NULL
    FROM wanted AS w
    WHERE NOT w.resolved AND w.condition NOT IN (SELECT condition FROM told)
    UNION ALL
    -- On an event hang the trades that have no category for want of its tags.
    SELECT 'event', m.event_id, coalesce(sum(o.trades), 0), coalesce(sum(o.volume), 0), max(o.last_trade), 'sources',
           NULL, true
    FROM event_markets AS m
    LEFT JOIN known_conditions AS k ON k.condition = m.condition AND coalesce(k.category, 'Uncategorized') = 'Uncategorized'
    LEFT JOIN of_conditions AS o ON o.condition = k.condition
    WHERE m.event_id NOT IN (SELECT event_id FROM tagged)
    GROUP BY m.event_id
    UNION ALL
    SELECT CASE WHEN i.market_id IS NOT NULL THEN 'market_id' ELSE 'slug' END, coalesce(i.market_id, i.slug),
           sum(i.trades), sum(i.volume), max(i.last_trade), 'sources', NULL, false
    FROM impact AS i
    WHERE i.condition IS NULL AND coalesce(i.market_id, i.slug) IS NOT NULL
    GROUP BY ALL
),
aged AS (
    SELECT *, CASE WHEN last_trade IS NULL OR last_trade < $now - 90 * 86400 THEN 14
                   WHEN last_trade < $now - 30 * 86400 THEN 3 ELSE 1 END AS patience
    FROM keys
),
-- What sources said lately of conditions that they do not call resolved, whatever they were asked for.
unresolved AS (
    SELECT '0x' || lower(hex(c.condition_id)) AS id, r.source, bool_or(r.state = 'open') AS open,
           max(epoch(r.observed_at)) AS observed
    FROM claim.resolutions AS r JOIN dim.conditions AS c ON c.condition = r.condition
    WHERE r.state IN ('open', 'closed_unresolved') AND r.verdict = 'claimed'
    GROUP BY ALL
),
answers AS (
    SELECT a.kind, a.lookup_key, l.source, false AS open
    FROM aged AS a JOIN meta.lookups AS l ON l.kind = a.kind AND l.lookup_key = a.lookup_key
    WHERE CASE WHEN l.outcome IN ('not_found', 'unseen') THEN epoch(l.asked_at) > $now - 86400
               WHEN a.kind = 'resolution' AND l.outcome = 'found' THEN epoch(l.asked_at) > $now - a.patience * 86400
               ELSE true END
    UNION ALL
    SELECT a.kind, a.lookup_key, u.source, u.open
    FROM aged AS a JOIN unresolved AS u ON u.id = a.lookup_key
    WHERE a.kind = 'resolution' AND u.observed > $now - a.patience * 86400
),
barred AS (
    SELECT kind, lookup_key, list(DISTINCT source) AS sources, bool_or(open) AS open
    FROM answers GROUP BY kind, lookup_key
)
SELECT a.kind, a.lookup_key, CAST(a.trades AS BIGINT) AS trades, CAST(a.volume AS BIGINT) AS volume, a.last_trade,
       CASE WHEN b.open AND a.whose = 'sources' THEN 'later' ELSE a.whose END AS whose, a.over, a.named,
       b.sources AS barred
FROM aged AS a
LEFT JOIN barred AS b ON b.kind = a.kind AND b.lookup_key = a.lookup_key;
