-- Nobody ever sends shares that never came. Tokens are taken in buckets, so that memory stays bounded.
WITH moves AS (
    SELECT tx, log_index, recipient AS account, token, amount FROM chain.share_transfers WHERE token % $buckets = $bucket
    UNION ALL
    SELECT tx, log_index, sender, token, -amount FROM chain.share_transfers WHERE token % $buckets = $bucket
),
running AS (
    SELECT tx, account, token,
           sum(amount) OVER (PARTITION BY account, token ORDER BY tx, log_index
                             RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS balance
    FROM (SELECT tx, log_index, account, token, sum(amount) AS amount FROM moves
          GROUP BY tx, log_index, account, token) AS per_log
    WHERE account <> (SELECT zero FROM book.protocol)
      AND account NOT IN (SELECT account FROM book.accounts_unscanned)
),
lowest AS (
    SELECT account, token, min(balance) AS balance, min(CASE WHEN balance < 0 THEN tx END) AS tx
    FROM running GROUP BY account, token HAVING min(balance) < 0
)
SELECT '0x' || lower(hex(x.hash)) AS subject,
       '0x' || lower(hex(a.address)) || ' sends ' || CAST(-l.balance AS VARCHAR)
           || ' micro-shares more than it ever received of token ' || t.token_id AS detail
FROM lowest AS l
JOIN chain.transactions AS x ON x.tx = l.tx
JOIN dim.accounts AS a ON a.account = l.account
JOIN dim.tokens AS t ON t.token = l.token;
