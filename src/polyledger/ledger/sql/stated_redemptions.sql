-- Shares that adapter redemptions state, outcome by outcome.
INSERT INTO chain.redemption_shares
SELECT s.tx, s.log_index, t.token, s.amount
FROM batch_stated AS s
JOIN dim.tokens AS t ON t.condition = s.condition AND t.collateral = s.collateral AND t.outcome_index = s.outcome_index
WHERE s.amount <> 0;
