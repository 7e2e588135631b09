-- What the claims about each condition come to: one row per condition that a source has named, drawn up anew for the
-- conditions of a batch in the transaction that writes their claims (identity/reconcile.py). A field on which equals
-- disagree is null, its verdict conflict. Verdicts: agreed, precedence, majority, conflict; null where nobody said
-- anything. Refuted and quarantined claims take no part.
CREATE TABLE book.market_names (
    condition INTEGER NOT NULL,
    market_id VARCHAR,
    question VARCHAR,
    slug VARCHAR,
    outcomes VARCHAR[],
    event_id VARCHAR,
    market_category VARCHAR,
    tags VARCHAR[],
    closed BOOLEAN,
    end_date VARCHAR,
    source VARCHAR,                   -- who filled the market id, or else the question
    market_id_verdict VARCHAR,
    question_verdict VARCHAR,
    slug_verdict VARCHAR,
    event_id_verdict VARCHAR,
    category_verdict VARCHAR
);
