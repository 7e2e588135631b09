-- Who is believed where no proof decides: the lower rank. Sources of one rank are equals. For resolutions the Data API
-- comes first, because it states the payout vector of the chain; CLOB cannot state a tie.
CREATE VIEW book.source_ranks AS
SELECT source,
       CASE WHEN source = 'chain' THEN 0 WHEN source = 'clob' THEN 1 WHEN source = 'gamma' THEN 2
            WHEN source = 'data_api' THEN 2 WHEN source = 'subgraph' THEN 3 ELSE 4 END AS rank,
       CASE WHEN source = 'chain' THEN 0 WHEN source = 'data_api' THEN 1 WHEN source = 'clob' THEN 2
            WHEN source = 'gamma' THEN 3 WHEN source = 'subgraph' THEN 4 ELSE 5 END AS resolution_rank
FROM (
    SELECT 'chain' AS source
    UNION SELECT source FROM claim.markets
    UNION SELECT source FROM claim.resolutions
    UNION SELECT source FROM claim.tokens
) AS sources;
