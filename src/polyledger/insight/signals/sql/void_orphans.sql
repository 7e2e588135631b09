-- A signal stands on a fill. Where a reorg took that back, or put another in its place, it is void.
UPDATE insight.signals AS s SET state = 'voided'
WHERE s.state IN ('fired', 'awaiting')
  AND (s.tx, s.log_index, s.account, s.token, s.side, s.shares) NOT IN (
    SELECT (tx, log_index, wallet, token, side, shares) FROM chain.fills
    WHERE tx IN (SELECT tx FROM insight.signals))
