-- QuestionPrepared of the neg-risk adapter; the condition follows from the question id (oracle = the adapter, 2 slots).
CREATE TABLE chain.neg_risk_questions (
    tx BIGINT NOT NULL,
    log_index INTEGER NOT NULL,
    neg_risk_market INTEGER NOT NULL,
    question_id BLOB NOT NULL,
    question_index INTEGER NOT NULL,
    condition INTEGER NOT NULL
);
