-- Imported rows of some transactions, with one number for wallet, side and shares. whole: the row says all that tells
-- one fill from another, and no log index.
SELECT r.trade, CAST(r.transaction - $first AS INTEGER) AS transaction, r.file, r.identity,
       hash(r.wallet, r.side, r.shares) AS key, coalesce(r.collateral, 0) AS collateral,
       coalesce(r.role = 0, false) AS is_maker,
       r.log_index IS NULL AND r.wallet IS NOT NULL AND r.side IS NOT NULL AND r.shares IS NOT NULL
           AND r.collateral IS NOT NULL AS whole
FROM imported.trades AS r
WHERE r.transaction BETWEEN $first AND $last
