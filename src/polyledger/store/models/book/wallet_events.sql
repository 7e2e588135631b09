-- What each event means for one account and one token: the rows that holdings are sums of. shares and cash are signed
-- from the account's side; bought and sold are shares of own fills (after token fees and leftover); volume is the USDC
-- of own fills net of leftover, before fees. Cash that belongs to a condition sits on its outcome 0.
CREATE VIEW book.wallet_events AS
SELECT tx, wallet AS account, token,
       CASE WHEN side = 0 THEN shares - CASE WHEN layout = 1 THEN fee - fee_refund ELSE 0 END
            ELSE leftover - shares END AS shares,
       CASE WHEN side = 0 THEN leftover - collateral - CASE WHEN layout = 1 THEN 0 ELSE fee - fee_refund END
            ELSE collateral - (fee - fee_refund) END AS cash,
       CASE WHEN side = 0 THEN shares - CASE WHEN layout = 1 THEN fee - fee_refund ELSE 0 END ELSE 0 END AS bought,
       CASE WHEN side = 1 THEN shares - leftover ELSE 0 END AS sold,
       CASE WHEN side = 0 THEN collateral - leftover ELSE collateral END AS volume,
       1 AS fills, 0 AS transferred
FROM chain.fills
UNION ALL
SELECT c.tx, c.stakeholder, t.token,
       CASE WHEN c.kind = 0 THEN c.amount ELSE -c.amount END,
       CASE WHEN t.outcome_index <> 0 OR k.account IS NULL THEN 0 WHEN c.kind = 0 THEN -c.amount ELSE c.amount END,
       0, 0, 0, 0, 0
FROM chain.position_changes AS c
JOIN dim.tokens AS t ON t.condition = c.condition AND t.collateral = c.collateral
LEFT JOIN book.currencies AS k ON k.account = c.collateral
UNION ALL
SELECT s.tx, r.redeemer, s.token, -s.amount, 0, 0, 0, 0, 0, 0
FROM chain.redemption_shares AS s JOIN chain.redemptions AS r ON r.tx = s.tx AND r.log_index = s.log_index
UNION ALL
SELECT r.tx, r.redeemer, t.token, 0, r.payout, 0, 0, 0, 0, 0
FROM chain.redemptions AS r
JOIN dim.tokens AS t ON t.condition = r.condition AND t.collateral = r.collateral AND t.outcome_index = 0
JOIN book.currencies AS k ON k.account = r.collateral
UNION ALL
SELECT tx, account, token, amount, 0, 0, 0, 0, 0, 0 FROM book.conversion_lines WHERE token IS NOT NULL
UNION ALL
SELECT tx, account, token, amount, 0, 0, 0, 0, 0, 0 FROM book.funding_lines WHERE token IS NOT NULL
UNION ALL
SELECT l.tx, l.account, t.token, 0, l.amount, 0, 0, 0, 0, 0
FROM book.funding_lines AS l
JOIN dim.tokens AS t ON t.condition = l.condition AND t.outcome_index = 0
JOIN book.protocol AS p ON p.collateral = t.collateral
WHERE l.currency = 1
UNION ALL
SELECT tx, recipient, token, amount, 0, 0, 0, 0, 0, amount FROM chain.share_transfers WHERE plain
UNION ALL
SELECT tx, sender, token, -amount, 0, 0, 0, 0, 0, -amount FROM chain.share_transfers WHERE plain;
