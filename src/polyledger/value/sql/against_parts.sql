-- What moved shares and cash of the wallets in batch_wallets, by token and by the kind of event: the parts whose sum is
-- a position. Part names: "fill ROLE CONTRACT;", "fee …", "refund …" (keys as in chain.fills), split, merge, redeem,
-- convert, transfer, pool; "counter" are the maker legs that name the wallet as their counterparty, seen from its side,
-- which no figure of the ledger counts. Cash of a conversion has no token but its neg-risk market.
WITH
own AS (
    SELECT f.wallet AS account, f.token, ' ' || f.role || ' ' || f.contract || ';' AS leg, f.side, f.layout, f.shares,
           f.collateral, f.leftover, f.fee, f.fee_refund
    FROM chain.fills AS f JOIN batch_wallets AS w ON w.account = f.wallet
),
events AS (
    SELECT account, token, CAST(NULL AS INTEGER) AS neg_risk_market, 'fill' || leg AS part,
           CASE WHEN side = 0 THEN shares ELSE leftover - shares END AS shares,
           CASE WHEN side = 0 THEN leftover - collateral ELSE collateral END AS cash
    FROM own
    UNION ALL
    SELECT account, token, NULL, 'fee' || leg, CASE WHEN layout = 1 AND side = 0 THEN -fee ELSE 0 END,
           CASE WHEN layout = 1 AND side = 0 THEN 0 ELSE -fee END
    FROM own WHERE fee <> 0
    UNION ALL
    SELECT account, token, NULL, 'refund' || leg, CASE WHEN layout = 1 AND side = 0 THEN fee_refund ELSE 0 END,
           CASE WHEN layout = 1 AND side = 0 THEN 0 ELSE fee_refund END
    FROM own WHERE fee_refund <> 0
    UNION ALL
    SELECT f.counterparty, f.token, NULL, 'counter', CASE WHEN f.side = 0 THEN -f.shares ELSE f.shares END,
           CASE WHEN f.side = 0 THEN f.collateral ELSE -f.collateral END
    FROM chain.fills AS f JOIN batch_wallets AS w ON w.account = f.counterparty
    WHERE f.role = 0
    UNION ALL
    SELECT c.stakeholder, t.token, NULL, CASE WHEN c.kind = 0 THEN 'split' ELSE 'merge' END,
           CASE WHEN c.kind = 0 THEN c.amount ELSE -c.amount END,
           CASE WHEN t.outcome_index <> 0 OR k.account IS NULL THEN 0 WHEN c.kind = 0 THEN -c.amount ELSE c.amount END
    FROM chain.position_changes AS c
    JOIN batch_wallets AS w ON w.account = c.stakeholder
    JOIN dim.tokens AS t ON t.condition = c.condition AND t.collateral = c.collateral
    LEFT JOIN book.currencies AS k ON k.account = c.collateral
    UNION ALL
    SELECT r.redeemer, s.token, NULL, 'redeem', -s.amount, 0
    FROM chain.redemption_shares AS s
    JOIN chain.redemptions AS r ON r.tx = s.tx AND r.log_index = s.log_index
    JOIN batch_wallets AS w ON w.account = r.redeemer
    UNION ALL
    SELECT r.redeemer, t.token, NULL, 'redeem', 0, r.payout
    FROM chain.redemptions AS r
    JOIN batch_wallets AS w ON w.account = r.redeemer
    JOIN dim.tokens AS t ON t.condition = r.condition AND t.collateral = r.collateral AND t.outcome_index = 0
    JOIN book.currencies AS k ON k.account = r.collateral
    UNION ALL
    SELECT l.account, l.token, NULL, CASE WHEN l.reason IN ('fund', 'unfund') THEN 'pool' ELSE 'convert' END, l.amount, 0
    FROM book.lines AS l JOIN batch_wallets AS w ON w.account = l.account
    WHERE l.reason IN ('convert', 'convert fee', 'fund', 'unfund') AND l.token IS NOT NULL
    UNION ALL
    SELECT l.account, t.token, NULL, 'pool', 0, l.amount
    FROM book.lines AS l
    JOIN batch_wallets AS w ON w.account = l.account
    JOIN dim.tokens AS t ON t.condition = l.condition AND t.outcome_index = 0
    JOIN book.protocol AS p ON p.collateral = t.collateral
    WHERE l.reason IN ('fund', 'unfund') AND l.currency = 1
    UNION ALL
    SELECT g.account, NULL, g.neg_risk_market, 'convert', 0, g.cash
    FROM book.group_cash AS g JOIN batch_wallets AS w ON w.account = g.account
    UNION ALL
    SELECT s.recipient, s.token, NULL, 'transfer', s.amount, 0
    FROM chain.share_transfers AS s JOIN batch_wallets AS w ON w.account = s.recipient WHERE s.plain
    UNION ALL
    SELECT s.sender, s.token, NULL, 'transfer', -s.amount, 0
    FROM chain.share_transfers AS s JOIN batch_wallets AS w ON w.account = s.sender WHERE s.plain
)
SELECT account, coalesce(token, -1) AS token, coalesce(neg_risk_market, -1) AS neg_risk_market, part,
       CAST(sum(shares) AS BIGINT) AS shares, CAST(sum(cash) AS BIGINT) AS cash
FROM events
GROUP BY account, token, neg_risk_market, part
ORDER BY account, token, neg_risk_market, part;
