-- One row per outcome of one wallet, with its condition's position beside it. sources names the files whose rows are in
-- it; claimed = some of them are there because a source says so, not by proof.
WITH imports AS (
    SELECT token, list_sort(list(DISTINCT source)) AS files, sum(fills) AS fills, bool_or(claimed) AS claimed
    FROM (
        SELECT e.token, s.source, e.fills, coalesce(e.verdict, 'claimed') <> 'proven' AS claimed
        FROM book.imported_events AS e JOIN book.imported_sources AS s ON s.file = e.file
        WHERE e.account = $account
        UNION ALL
        SELECT token, source, 0, false FROM book.movement_events WHERE account = $account
    ) AS rows_of_files
    GROUP BY token
)
SELECT '0x' || lower(hex(c.condition_id)) AS condition, f.market_id, f.question, w.category, f.event_id, f.outcomes,
       p.token, t.token_id, p.outcome_index, p.shares, p.bought, p.sold, f.outcome_slots, f.numerators, f.resolved_by,
       w.cash, w.settled, w.realized_pnl, w.missing, w.state, w.least_held, w.most_held, w.tokens, w.resolved,
       i.files, p.fills > coalesce(i.fills, 0) OR i.fills IS NULL AS on_chain, coalesce(i.claimed, false) AS claimed
FROM book.token_positions AS p
JOIN book.wallet_conditions AS w ON w.account = p.account AND w.condition IS NOT DISTINCT FROM p.condition
    AND w.loose_token IS NOT DISTINCT FROM CASE WHEN p.condition IS NULL THEN p.token END
LEFT JOIN dim.tokens AS t ON t.token = p.token
LEFT JOIN book.condition_facts AS f ON f.condition = p.condition
LEFT JOIN dim.conditions AS c ON c.condition = p.condition
LEFT JOIN imports AS i ON i.token = p.token
WHERE p.account = $account
ORDER BY w.volume DESC, condition, CASE WHEN p.condition IS NULL THEN p.token END, p.outcome_index;
