-- Transactions that imported rows name and of which something is known apart from matches: whether a scanned block
-- holds them, and whether everyone who could know them was asked in vain.
CREATE VIEW book.transaction_places AS
SELECT t.transaction, c.tx, k.lookup_key IS NOT NULL AS exhausted
FROM imported.transactions AS t
LEFT JOIN chain.transactions AS c ON c.hash = t.hash
LEFT JOIN (
    SELECT lookup_key, unhex(substr(lookup_key, 3)) AS hash FROM book.exhausted_keys WHERE kind = 'transaction'
) AS k ON k.hash = t.hash
WHERE c.tx IS NOT NULL OR k.lookup_key IS NOT NULL;
