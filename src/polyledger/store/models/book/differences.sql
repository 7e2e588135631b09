-- Per transaction, account and asset: transfers less journal. No row where the books balance.
-- Read it with a range of tx. Left out: collaterals that are not Polymarket's, and transactions that move Protocol V2
-- positions, whose books are not drawn up (they are counted by the check protocol_v2_books).
CREATE VIEW book.differences AS
SELECT l.tx, coalesce(c.clearing, l.account) AS account, l.token, l.currency, sum(l.amount) AS difference
FROM (
    SELECT tx, account, token, currency, -amount AS amount FROM book.lines
    WHERE token IS NOT NULL OR currency <> 0
    UNION ALL
    SELECT tx, account, token, currency, amount FROM book.transfer_lines WHERE NOT plain
) AS l
LEFT JOIN dim.contracts AS c ON c.account = l.account
WHERE NOT EXISTS (
    SELECT 1 FROM chain.share_transfers AS s JOIN dim.contracts AS k ON k.account = s.contract
    WHERE k.role = 'position_manager' AND s.tx = l.tx)
GROUP BY l.tx, coalesce(c.clearing, l.account), l.token, l.currency
HAVING sum(l.amount) <> 0;
