-- The journal as double-entry lines, plain transfers of shares and collateral included. Collateral that comes to a wallet
-- from outside is a deposit, collateral that leaves for outside a withdrawal; outside is who never traded nor split.
CREATE VIEW journal AS
WITH traders AS (
    SELECT wallet AS account FROM chain.fills
    UNION SELECT stakeholder FROM chain.position_changes
)
SELECT l.tx // 65536 AS block, make_timestamp(b.timestamp * 1000000) AS block_time,
       '0x' || lower(hex(x.hash)) AS transaction_hash, l.log_index,
       '0x' || lower(hex(a.address)) AS account,
       CASE WHEN l.token IS NOT NULL THEN 'shares' WHEN l.currency = 1 THEN 'USDC' WHEN l.currency = 2 THEN 'WCOL'
            ELSE 'other' END AS asset,
       t.token_id, '0x' || lower(hex(c.condition_id)) AS condition_id,
       '0x' || lower(hex(g.neg_risk_market_id)) AS neg_risk_market_id,
       CAST(l.amount AS BIGINT) AS amount, l.reason
FROM (
    SELECT tx, log_index, account, token, about_token, currency, amount, reason, condition, neg_risk_market
    FROM book.lines
    UNION ALL
    SELECT tx, log_index, account, token, token, NULL, amount, 'transfer', NULL, NULL
    FROM book.transfer_lines WHERE plain AND token IS NOT NULL
    UNION ALL
    SELECT c.tx, c.log_index, CASE WHEN b.sign = 1 THEN c.recipient ELSE c.sender END, NULL, NULL, m.currency,
           b.sign * c.amount,
           CASE WHEN (s.account IS NULL) = (r.account IS NULL) THEN 'collateral transfer'
                WHEN r.account IS NOT NULL THEN 'deposit' ELSE 'withdrawal' END, NULL, NULL
    FROM chain.collateral_transfers AS c
    JOIN book.currencies AS m ON m.account = c.contract
    CROSS JOIN (SELECT 1 AS sign UNION ALL SELECT -1 AS sign) AS b
    LEFT JOIN traders AS s ON s.account = c.sender
    LEFT JOIN traders AS r ON r.account = c.recipient
    WHERE c.plain
) AS l
JOIN chain.transactions AS x ON x.tx = l.tx
LEFT JOIN chain.blocks AS b ON b.number = l.tx // 65536
JOIN dim.accounts AS a ON a.account = l.account
LEFT JOIN dim.tokens AS t ON t.token = l.about_token
LEFT JOIN dim.conditions AS c ON c.condition = coalesce(l.condition, t.condition)
LEFT JOIN dim.neg_risk_markets AS g ON g.neg_risk_market = l.neg_risk_market
WHERE l.amount <> 0;
