-- One row per outcome token of one wallet, with its condition's position beside it.
SELECT '0x' || lower(hex(c.condition_id)) AS condition, f.market_id, f.question, w.category, f.event_id, f.outcomes,
       t.token_id, t.outcome_index, p.shares, p.bought, p.sold, f.outcome_slots, f.numerators, f.resolved_by,
       w.cash, w.settled, w.realized_pnl, w.missing, w.state, w.least_held, w.most_held, w.tokens, w.resolved
FROM book.token_positions AS p
JOIN dim.tokens AS t ON t.token = p.token
JOIN book.wallet_conditions AS w ON w.account = p.account AND w.condition IS NOT DISTINCT FROM p.condition
    AND w.loose_token IS NOT DISTINCT FROM CASE WHEN p.condition IS NULL THEN p.token END
LEFT JOIN book.condition_facts AS f ON f.condition = p.condition
LEFT JOIN dim.conditions AS c ON c.condition = p.condition
WHERE p.account = $account
ORDER BY w.volume DESC, condition, t.outcome_index;
