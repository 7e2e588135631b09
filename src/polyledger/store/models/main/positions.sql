-- One row per wallet and outcome. token_id is null where imported rows name an outcome by other ids.
CREATE VIEW positions AS
SELECT '0x' || lower(hex(a.address)) AS wallet, t.token_id, '0x' || lower(hex(c.condition_id)) AS condition_id,
       p.outcome_index, p.shares, p.bought, p.sold, p.cash AS cash_flow, p.volume, p.fills, p.transferred,
       CAST(p.settled AS BIGINT) AS settled_value,
       CASE WHEN p.missing > 0 THEN 'incomplete' WHEN p.resolved THEN 'resolved' ELSE 'open' END AS state
FROM book.token_positions AS p
JOIN dim.accounts AS a ON a.account = p.account
LEFT JOIN dim.tokens AS t ON t.token = p.token
LEFT JOIN dim.conditions AS c ON c.condition = p.condition
WHERE p.shares <> 0 OR p.cash <> 0 OR p.fills <> 0 OR p.transferred <> 0;
