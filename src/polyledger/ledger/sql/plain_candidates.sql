-- Transfers between accounts that are no contracts, moved by none, in transactions whose books do not close without them.
SELECT 'share' AS kind, s.tx, s.log_index, s.item, s.sender, s.recipient, s.token, CAST(NULL AS UTINYINT) AS currency,
       s.amount
FROM chain.share_transfers AS s
WHERE s.tx IN (SELECT tx FROM batch_open) AND NOT s.plain AND NOT s.by_contract
  AND s.sender NOT IN (SELECT account FROM dim.contracts) AND s.recipient NOT IN (SELECT account FROM dim.contracts)
UNION ALL
SELECT 'collateral', c.tx, c.log_index, 0, c.sender, c.recipient, NULL, m.currency, c.amount
FROM chain.collateral_transfers AS c JOIN book.currencies AS m ON m.account = c.contract
WHERE c.tx IN (SELECT tx FROM batch_open) AND NOT c.plain
  AND c.sender NOT IN (SELECT account FROM dim.contracts) AND c.recipient NOT IN (SELECT account FROM dim.contracts);
