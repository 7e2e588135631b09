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
    end_date VARCHAR,                 -- day, YYYY-MM-DD
    question_id VARCHAR,
    start_time BIGINT,                -- seconds since 1970, UTC
    end_time BIGINT,
    closed_time BIGINT,
    volume BIGINT,                    -- the source's own idea of it in micro-USDC; no figure rests on it
    verdict VARCHAR NOT NULL,         -- proven (its tokens derive from its condition), refuted, claimed (it names no
                                      -- tokens), quarantined
    evidence_id BIGINT NOT NULL,
    observed_at TIMESTAMP NOT NULL
);
