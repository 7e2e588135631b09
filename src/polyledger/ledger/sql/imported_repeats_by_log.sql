-- A log happens once: a row that names the transaction and log index of an earlier row says the same again.
INSERT INTO imported.repeats
SELECT n.trade, min(e.trade)
FROM imported.trades AS n
JOIN imported.trades AS e ON e.transaction = n.transaction AND e.log_index = n.log_index AND e.trade < n.trade
WHERE n.trade >= $first
GROUP BY n.trade
