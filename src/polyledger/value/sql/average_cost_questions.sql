SELECT tx, log_index, CAST(neg_risk_market AS BIGINT) AS neg_risk_market, question_index,
       CAST(condition AS BIGINT) AS condition
FROM chain.neg_risk_questions;
