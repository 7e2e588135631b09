-- The candidates of one rule that fire it, or may when more is known of their market, with the standing of the wallet on
-- that day: t over all its markets, s in what the rule asks about.
SELECT c.tx, c.log_index, c.account, c.token, c.condition, c.side, c.shares, c.size, c.collateral, c.block_time, c.day,
       c.awaits, c.outcome_index, c.category, c.tags, c.market_id, c.question, c.event_id,
       '0x' || lower(hex(a.address)) AS wallet, k.token_id, '0x' || lower(hex(d.condition_id)) AS condition_id,
       n.outcomes[c.outcome_index + 1] AS outcome,
       t.traded, t.resolved, s.figure, s.value, s.low, s.high, s.shrunk, s.markets, s.place, s.wallets
FROM (
    SELECT x.*, m.category, m.tags, m.market_id, m.question, m.event_id
    FROM signal_candidates AS x LEFT JOIN signal_markets AS m ON m.condition = x.condition
    WHERE x.rule = $rule
) AS c
JOIN dim.accounts AS a ON a.account = c.account
JOIN dim.tokens AS k ON k.token = c.token
LEFT JOIN dim.conditions AS d ON d.condition = c.condition
LEFT JOIN book.market_names AS n ON n.condition = c.condition
LEFT JOIN signal_standings AS t ON t.ranking = 0 AND t.day = c.day AND t.account = c.account AND t.category IS NULL
LEFT JOIN signal_standings AS s ON s.ranking = $ranking AND s.day = c.day AND s.account = c.account
    AND s.category IS NOT DISTINCT FROM $same_category
WHERE true -- criteria of the rule
ORDER BY c.tx, c.log_index
