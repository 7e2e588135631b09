-- Every wallet's shares by protocol events and plain transfers, as profit is reckoned from, equal the ERC-1155 transfers.
WITH sums AS (
    SELECT account, token, sum(shares) AS difference
    FROM (
        SELECT account, token, shares FROM book.holdings
        UNION ALL
        SELECT recipient, token, -amount FROM chain.share_transfers
        UNION ALL
        SELECT sender, token, amount FROM chain.share_transfers
    ) AS both_sides
    WHERE account NOT IN (SELECT account FROM book.accounts_aside)
      AND account NOT IN (SELECT account FROM book.accounts_unscanned)
    GROUP BY account, token HAVING sum(shares) <> 0
)
SELECT '0x' || lower(hex(a.address)) AS subject,
       'token ' || t.token_id || ': events and transfers differ by ' || CAST(s.difference AS VARCHAR) || ' micro-shares'
           AS detail
FROM sums AS s
JOIN dim.accounts AS a ON a.account = s.account
JOIN dim.tokens AS t ON t.token = s.token;
