INSERT INTO insight.signals
SELECT n.rule, n.definition, n.tx, n.log_index, n.account, n.token, n.condition, n.side, n.shares, n.size, n.block_time,
       n.state, $found_by, n.why, $run_id, $now
FROM found_signals AS n
WHERE NOT EXISTS (
    SELECT 1 FROM insight.signals AS s
    WHERE s.rule = n.rule AND s.definition = n.definition AND s.tx = n.tx AND s.log_index = n.log_index
      AND s.state <> 'voided')
ORDER BY n.tx, n.log_index, n.rule
