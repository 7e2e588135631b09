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
  AND c.sender NOT IN (SELECT account FROM dim.contracts) AND c.recipient NOT IN (SELECT account FROM dim.contracts)
-- The collateral behind pUSD lies in a vault of its own: it moves when pUSD is minted or burned in the transaction.
UNION ALL
SELECT 'collateral', c.tx, c.log_index, 0, coalesce(s.clearing, c.sender), coalesce(r.clearing, c.recipient), NULL, 1,
       c.amount
FROM chain.collateral_transfers AS c
JOIN dim.contracts AS k ON k.account = c.contract AND k.role = 'collateral'
LEFT JOIN dim.contracts AS s ON s.account = c.sender
LEFT JOIN dim.contracts AS r ON r.account = c.recipient
WHERE c.tx IN (SELECT tx FROM batch_open) AND NOT c.plain
  AND (s.role IN ('collateral_adapter', 'collateral_token')) IS DISTINCT FROM
      (r.role IN ('collateral_adapter', 'collateral_token'))
  AND (s.account IS NULL OR r.account IS NULL)
  AND c.tx IN (
      SELECT p.tx FROM chain.collateral_transfers AS p
      JOIN dim.contracts AS q ON q.account = p.contract AND q.role = 'collateral_token'
      CROSS JOIN book.protocol AS z
      WHERE (p.sender = z.zero OR p.recipient = z.zero) AND p.amount = c.amount);
