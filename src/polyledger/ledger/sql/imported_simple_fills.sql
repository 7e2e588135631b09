-- Fills of some transactions, those of scanned blocks or else those of receipts, with one number for wallet, side and
-- shares. plain: gross and net amounts are the same.
SELECT CAST(p.transaction - $first AS INTEGER) AS transaction, f.tx, f.log_index, f.token,
       hash(f.wallet, f.side, f.shares) AS key, f.collateral, f.leftover = 0 AS plain
FROM import_places AS p
JOIN chain.fills AS f ON f.tx = p.tx
WHERE p.transaction BETWEEN $first AND $last
UNION ALL
SELECT CAST(r.transaction - $first AS INTEGER), CAST(-1 AS BIGINT), r.log_index, r.token,
       hash(r.wallet, r.side, r.shares), r.collateral, true
FROM claim.receipt_fills AS r
WHERE r.transaction BETWEEN $first AND $last
  AND NOT EXISTS (SELECT 1 FROM import_places AS p WHERE p.transaction = r.transaction)
