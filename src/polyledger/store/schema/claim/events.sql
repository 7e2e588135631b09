-- What a source says of an event. Times in seconds since 1970, UTC. Never updated: a later claim is a new row.
CREATE TABLE claim.events (
    source VARCHAR NOT NULL,
    event_id VARCHAR NOT NULL,
    title VARCHAR,
    slug VARCHAR,
    category VARCHAR,
    tags VARCHAR[],
    series_slug VARCHAR,
    neg_risk_market_id VARCHAR,
    closed BOOLEAN,
    start_time BIGINT,
    end_time BIGINT,
    parent_event_id VARCHAR,
    evidence_id BIGINT NOT NULL,
    observed_at TIMESTAMP NOT NULL
);
