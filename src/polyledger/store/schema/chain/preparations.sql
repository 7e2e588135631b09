-- ConditionPreparation of ConditionalTokens.
CREATE TABLE chain.preparations (
    tx BIGINT NOT NULL,
    log_index INTEGER NOT NULL,
    condition INTEGER NOT NULL,
    oracle INTEGER NOT NULL,
    question_id BLOB NOT NULL,
    outcome_slots INTEGER NOT NULL
);
