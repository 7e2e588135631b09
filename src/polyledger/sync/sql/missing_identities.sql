-- What each identity set of imports means now. silent: it names nothing, so that only its transaction can tell.
CREATE OR REPLACE TEMP TABLE known_identities AS
SELECT i.identity, l.token, i.market_id, i.slug, l.condition,
       i.token IS NULL AND i.condition IS NULL AND i.market_id IS NULL AND i.slug IS NULL AS silent
FROM imported.identities AS i
LEFT JOIN book.identity_links AS l ON l.identity = i.identity;
