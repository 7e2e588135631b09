-- The distinct sets of ids that imported rows came with. A trade holds the key of its set; what the set means is
-- resolved when a figure is read (book.identity_links), so filling a gap never rewrites a trade. Key 0 is the set
-- without any id: such a row can be known by its transaction only (imported.matches).
CREATE TABLE imported.identities (
    identity INTEGER NOT NULL,
    token INTEGER,
    condition INTEGER,
    market_id VARCHAR,
    slug VARCHAR,
    outcome_index INTEGER,
    outcome VARCHAR                   -- a label, as written in the file
);
INSERT INTO imported.identities (identity) VALUES (0);
