-- ConditionResolution of ConditionalTokens (and ConditionResolved of Protocol V2): the payout vector as reported.
CREATE TABLE chain.resolutions (
    tx BIGINT NOT NULL,
    log_index INTEGER NOT NULL,
    condition INTEGER NOT NULL,
    oracle INTEGER NOT NULL,
    question_id BLOB,
    outcome_slots INTEGER NOT NULL,
    numerators BIGINT[] NOT NULL
);
