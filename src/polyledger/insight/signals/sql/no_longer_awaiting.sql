-- What waited for its market and was looked at again makes room for what it is now: found_signals has it if it still is one.
DELETE FROM insight.signals
WHERE rule = ? AND definition = ? AND state = 'awaiting'
