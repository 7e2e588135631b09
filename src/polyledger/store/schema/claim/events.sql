CREATE TABLE claim.events (
    source VARCHAR NOT NULL,
    event_id VARCHAR NOT NULL,
    title VARCHAR,
    slug VARCHAR,
    category VARCHAR,
    tags VARCHAR[],
    series_slug VARCHAR,
    neg_risk_market_id VARCHAR,
    evidence_id BIGINT NOT NULL,
    observed_at TIMESTAMP NOT NULL
);
