-- What waited before and still does is left as it is: nothing new is known of it.
INSERT INTO signal_waiting
SELECT $name, c.tx, c.log_index
FROM signal_candidates AS c
JOIN signal_awaiting AS a ON a.tx = c.tx AND a.log_index = c.log_index
WHERE c.rule = $rule AND len(c.awaits) > 0
