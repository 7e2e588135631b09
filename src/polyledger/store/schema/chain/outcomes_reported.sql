-- OutcomeReported of the neg-risk adapter.
CREATE TABLE chain.outcomes_reported (
    tx BIGINT NOT NULL,
    log_index INTEGER NOT NULL,
    neg_risk_market INTEGER NOT NULL,
    condition INTEGER NOT NULL,
    outcome BOOLEAN NOT NULL
);
