-- What waited for its market and was looked at again makes room for what it is now: found_signals has it if it still is one.
DELETE FROM insight.signals
WHERE rule = $rule AND definition = $definition AND state = 'awaiting'
  AND (tx, log_index) NOT IN (SELECT (tx, log_index) FROM waiting_signals WHERE rule = $rule)
