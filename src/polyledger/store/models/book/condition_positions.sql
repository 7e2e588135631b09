-- One row per wallet and condition (a token without a condition stands for itself). complete = nothing is missing.
-- bought_lean is above zero where own fills bought more of outcome 0 than of outcome 1.
CREATE VIEW book.condition_positions AS
SELECT account, condition, CASE WHEN condition IS NULL THEN token END AS loose_token,
       CAST(sum(cash) AS BIGINT) AS cash,
       CAST(sum(settled) AS BIGINT) AS settled,
       CAST(sum(volume) AS BIGINT) AS volume,
       CAST(sum(fills) AS BIGINT) AS fills,
       CAST(sum(missing) AS BIGINT) AS missing,
       bool_or(resolved) AS resolved,
       count(*) AS tokens,
       CAST(min(held) AS BIGINT) AS least_held,
       CAST(max(held) AS BIGINT) AS most_held,
       CAST(sum(CASE WHEN outcome_index = 0 THEN held ELSE 0 END) AS BIGINT) AS held_yes,
       CAST(sum(CASE WHEN outcome_index = 1 THEN held ELSE 0 END) AS BIGINT) AS held_no,
       CAST(sum(CASE outcome_index WHEN 0 THEN net_bought WHEN 1 THEN -net_bought ELSE 0 END) AS BIGINT) AS bought_lean
FROM book.token_positions
GROUP BY account, condition, CASE WHEN condition IS NULL THEN token END;
