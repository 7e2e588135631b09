-- What a source says of a market. Arrays are aligned by outcome. Never updated: a later claim is a new row.
CREATE TABLE claim.markets (
    source VARCHAR NOT NULL,
    condition INTEGER NOT NULL,
    market_id VARCHAR,
    question VARCHAR,
    slug VARCHAR,
    outcomes VARCHAR[],
    token_ids VARCHAR[],
    event_id VARCHAR,
    category VARCHAR,
    tags VARCHAR[],
    neg_risk BOOLEAN,
    neg_risk_market_id VARCHAR,
    closed BOOLEAN,
    end_date VARCHAR,
    verdict VARCHAR NOT NULL,         -- proven (its tokens derive from its condition), refuted, claimed (it names no tokens)
    evidence_id BIGINT NOT NULL,
    observed_at TIMESTAMP NOT NULL
);
