-- Fills that imported rows of the transactions in import_slow can be: those of scanned blocks, else those of receipts;
-- numbered from zero in the order of the chain.
CREATE OR REPLACE TEMP TABLE import_candidates AS
SELECT CAST(row_number() OVER (ORDER BY c.transaction, c.log_index) - 1 AS INTEGER) AS fill, c.transaction, c.tx,
       c.log_index, c.wallet, c.side, c.token, c.shares, c.collateral, c.net_shares, c.net_collateral, t.condition, t.outcome_index
FROM (
    SELECT p.transaction, f.tx, f.log_index, f.wallet, f.side, f.token, f.shares, f.collateral,
           CASE WHEN f.side = 1 THEN f.shares - f.leftover ELSE f.shares END AS net_shares,
           CASE WHEN f.side = 0 THEN f.collateral - f.leftover ELSE f.collateral END AS net_collateral
    FROM import_places AS p
    JOIN chain.fills AS f ON f.tx = p.tx
    WHERE p.transaction IN (SELECT transaction FROM import_slow)
    UNION ALL
    SELECT r.transaction, NULL, r.log_index, r.wallet, r.side, r.token, r.shares, r.collateral, r.shares, r.collateral
    FROM claim.receipt_fills AS r
    WHERE r.transaction BETWEEN $first AND $last AND r.transaction IN (SELECT transaction FROM import_slow)
      AND NOT EXISTS (SELECT 1 FROM import_places AS p WHERE p.transaction = r.transaction)
) AS c
JOIN dim.tokens AS t ON t.token = c.token
