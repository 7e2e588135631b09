-- Rows of which the chain, or those who were asked about their transaction, say more than imported.matches does.
INSERT INTO book.imported_exceptions
WITH places AS (
    SELECT t.transaction, c.tx
    FROM imported.transactions AS t
    JOIN chain.transactions AS c ON c.hash = t.hash
    UNION ALL
    SELECT t.transaction, NULL
    FROM imported.transactions AS t
    JOIN (SELECT unhex(substr(lookup_key, 3)) AS hash FROM book.exhausted_keys WHERE kind = 'transaction') AS k
        ON k.hash = t.hash
),
-- By transaction, by time, by time of a wallet: of each only the rows that it holds are ever looked at.
found AS (
    SELECT t.trade, p.tx IS NOT NULL AS unconfirmed, CASE WHEN p.tx IS NOT NULL THEN 3 ELSE 2 END AS tracing
    FROM imported.trades AS t
    JOIN places AS p ON p.transaction = t.transaction
    UNION ALL
    SELECT t.trade, true, CASE WHEN t.transaction IS NULL THEN 0 ELSE 1 END
    FROM imported.trades AS t
    JOIN book.scanned_times AS s
        ON s.day = t.timestamp // 86400 AND t.timestamp BETWEEN s.first_time AND s.last_time
    UNION ALL
    SELECT t.trade, true, CASE WHEN t.transaction IS NULL THEN 0 ELSE 1 END
    FROM imported.trades AS t
    JOIN book.wallet_scanned_times AS w ON w.account = t.wallet AND w.day = t.timestamp // 86400
        AND t.timestamp BETWEEN w.first_time AND w.last_time
)
SELECT f.trade, bool_or(f.unconfirmed) AS unconfirmed, CAST(max(f.tracing) AS UTINYINT) AS tracing
FROM found AS f
WHERE NOT EXISTS (SELECT 1 FROM imported.matches AS m WHERE m.trade = f.trade AND m.tx IS NOT NULL)
GROUP BY f.trade;
