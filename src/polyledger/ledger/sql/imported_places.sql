-- Which scanned transaction a named one is.
CREATE OR REPLACE TEMP TABLE import_places AS
SELECT i.transaction, c.tx
FROM imported.transactions AS i
JOIN chain.transactions AS c ON c.hash = i.hash
