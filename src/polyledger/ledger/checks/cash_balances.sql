-- Every wallet's USDC by protocol events equals the ERC-20 transfers of its protocol transactions.
WITH sums AS (
    SELECT account, sum(amount) AS difference
    FROM (
        SELECT tx, account, amount FROM book.lines WHERE currency = 1
        UNION ALL
        SELECT tx, account, -amount FROM book.transfer_lines WHERE currency = 1 AND NOT plain
    ) AS both_sides
    WHERE account NOT IN (SELECT account FROM book.accounts_aside)
      AND account NOT IN (SELECT account FROM book.accounts_unscanned)
      AND tx NOT IN (SELECT s.tx FROM chain.share_transfers AS s JOIN dim.contracts AS k ON k.account = s.contract
                     WHERE k.role = 'position_manager')
    GROUP BY account HAVING sum(amount) <> 0
)
SELECT '0x' || lower(hex(a.address)) AS subject,
       'events and transfers differ by ' || CAST(s.difference AS VARCHAR) || ' micro-USDC' AS detail
FROM sums AS s JOIN dim.accounts AS a ON a.account = s.account;
