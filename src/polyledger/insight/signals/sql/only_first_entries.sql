-- Leave to a rule only the first fill that a wallet ever made in a market.
DELETE FROM signal_candidates AS c
WHERE c.rule = $rule AND EXISTS (
    SELECT 1
    FROM chain.fills AS f
    JOIN dim.tokens AS t ON t.token = f.token
    WHERE f.wallet = c.account AND t.condition = c.condition
      AND (f.tx < c.tx OR (f.tx = c.tx AND f.log_index < c.log_index)))
