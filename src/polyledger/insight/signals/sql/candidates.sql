-- The fills that one rule can fire on, standing of the wallet aside. awaits lists what the rule asks about the market
-- and nobody has said yet.
INSERT INTO signal_candidates
SELECT $rule, f.tx, f.log_index, f.wallet, f.token, t.condition, t.outcome_index, f.side, f.shares,
       CASE WHEN f.side = 0 THEN f.collateral - f.leftover ELSE f.collateral END AS size,
       f.collateral, b.timestamp, b.timestamp // 86400,
       list_concat(CASE WHEN $asks_category AND m.category IS NULL THEN ['category'] ELSE [] END,
                   CASE WHEN $asks_tags AND m.tags IS NULL THEN ['tags'] ELSE [] END) AS awaits
FROM chain.fills AS f
JOIN chain.blocks AS b ON b.number = f.tx // 65536
JOIN dim.tokens AS t ON t.token = f.token
LEFT JOIN signal_markets AS m ON m.condition = t.condition
WHERE f.shares > 0
  AND f.wallet NOT IN (SELECT account FROM book.accounts_aside)
