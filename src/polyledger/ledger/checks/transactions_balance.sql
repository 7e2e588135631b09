-- Journal against transfers, per transaction, account and asset.
SELECT '0x' || lower(hex(x.hash)) AS subject,
       'account 0x' || lower(hex(a.address)) || ': transfers differ from the journal by ' || CAST(d.difference AS VARCHAR)
           || CASE WHEN d.token IS NOT NULL THEN ' micro-shares of token ' || t.token_id
                   WHEN d.currency = 1 THEN ' micro-USDC' ELSE ' micro-WCOL' END AS detail
FROM book.differences AS d
JOIN chain.transactions AS x ON x.tx = d.tx
JOIN dim.accounts AS a ON a.account = d.account
LEFT JOIN dim.tokens AS t ON t.token = d.token
WHERE d.tx BETWEEN $first AND $last
ORDER BY d.tx, detail;
