-- Rows of which the chain, or those who were asked about their transaction, say more than imported.matches does.
INSERT INTO book.imported_exceptions
WITH places AS (
    SELECT t.transaction, c.tx, k.lookup_key IS NOT NULL AS exhausted
    FROM imported.transactions AS t
    LEFT JOIN chain.transactions AS c ON c.hash = t.hash
    LEFT JOIN (
        SELECT lookup_key, unhex(substr(lookup_key, 3)) AS hash FROM book.exhausted_keys WHERE kind = 'transaction'
    ) AS k ON k.hash = t.hash
    WHERE c.tx IS NOT NULL OR k.lookup_key IS NOT NULL
)
SELECT t.trade, p.tx IS NOT NULL OR (s.day IS NOT NULL OR w.day IS NOT NULL),
       CASE WHEN t.transaction IS NULL THEN 0 WHEN p.tx IS NOT NULL THEN 3 WHEN p.exhausted THEN 2 ELSE 1 END
FROM imported.trades AS t
LEFT JOIN places AS p ON p.transaction = t.transaction
LEFT JOIN book.scanned_times AS s ON s.day = t.timestamp // 86400 AND t.timestamp BETWEEN s.first_time AND s.last_time
LEFT JOIN book.wallet_scanned_times AS w ON w.account = t.wallet AND w.day = t.timestamp // 86400
    AND t.timestamp BETWEEN w.first_time AND w.last_time
WHERE (p.transaction IS NOT NULL OR (s.day IS NOT NULL OR w.day IS NOT NULL))
  AND NOT EXISTS (SELECT 1 FROM imported.matches AS m WHERE m.trade = t.trade AND m.tx IS NOT NULL);
