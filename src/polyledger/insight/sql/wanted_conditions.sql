-- The conditions that some accounts have traded.
CREATE OR REPLACE TEMP TABLE wanted_conditions AS
SELECT DISTINCT t.condition
FROM (
    SELECT token FROM chain.fills WHERE wallet IN ({accounts})
    UNION
    SELECT token FROM book.imported_events WHERE account IN ({accounts})
) AS own
JOIN book.token_facts AS t ON t.token = own.token
