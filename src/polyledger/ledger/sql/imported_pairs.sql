-- Rows beside the fills that agree with everything a row says. `hint`: the row has no token, and its condition and
-- outcome are those of the fill. A price that was multiplied may be off by one unit, a short float by its precision.
SELECT r.trade, f.fill, f.token, r.file, r.identity,
       CASE WHEN r.role = 0 THEN 0 ELSE coalesce(r.collateral, 0) END AS volume, i.token IS NULL AS without_token,
       i.token IS NULL AND i.condition = f.condition AND (i.outcome_index IS NULL OR i.outcome_index = f.outcome_index)
           AS hint
FROM imported.trades AS r
JOIN import_candidates AS f ON f.transaction = r.transaction
JOIN imported.identities AS i ON i.identity = r.identity
JOIN imported.files AS k ON k.file = r.file
WHERE r.transaction BETWEEN $first AND $last
  AND (r.log_index IS NULL OR r.log_index = f.log_index)
  AND (r.wallet IS NULL OR r.wallet = f.wallet)
  AND (r.side IS NULL OR r.side = f.side)
  AND (i.token IS NULL OR i.token = f.token)
  AND (r.shares IS NULL OR abs(r.shares - f.shares) <= r.shares * k.relative_error
       OR abs(r.shares - f.net_shares) <= r.shares * k.relative_error)
  AND (r.collateral IS NULL OR abs(r.collateral - f.collateral) <= 1 + r.collateral * k.relative_error
       OR abs(r.collateral - f.net_collateral) <= 1 + r.collateral * k.relative_error)
