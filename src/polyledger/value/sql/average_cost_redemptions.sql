SELECT r.tx, r.log_index, CAST(r.redeemer AS BIGINT) AS redeemer, CAST(r.condition AS BIGINT) AS condition,
       c.role = 'neg_risk_adapter' AS by_adapter,
       CASE WHEN c.role = 'neg_risk_adapter' THEN [
           coalesce((SELECT sum(s.amount) FROM chain.redemption_shares AS s JOIN dim.tokens AS t ON t.token = s.token
                     WHERE s.tx = r.tx AND s.log_index = r.log_index AND t.outcome_index = 0), 0)::BIGINT,
           coalesce((SELECT sum(s.amount) FROM chain.redemption_shares AS s JOIN dim.tokens AS t ON t.token = s.token
                     WHERE s.tx = r.tx AND s.log_index = r.log_index AND t.outcome_index = 1), 0)::BIGINT
       ] END AS amounts
FROM chain.redemptions AS r JOIN dim.contracts AS c ON c.account = r.contract;
