-- The rows of their file beside the figures of the ledger; amounts in millionths. account is null for an address that
-- the ledger has nothing of. Their text is read as a number where it is one.
WITH theirs AS (
    SELECT b.row, b.wallet, lower(b.wallet) AS address, {category} AS category,
           {realized_pnl} AS pnl_text, {volume} AS volume_text, {coverage} AS coverage_text
    FROM batch_theirs AS b
),
ours AS MATERIALIZED (
    SELECT account, {own_category} AS category,
           CAST(sum(realized_pnl) AS BIGINT) AS realized_pnl, CAST(sum(volume) AS BIGINT) AS volume,
           sum(resolved_conditions) / nullif(sum(traded_conditions), 0) AS coverage
    FROM book.wallet_categories GROUP BY account, {own_category}
)
SELECT t.row, t.wallet, t.category, a.account,
       t.pnl_text, t.volume_text, t.coverage_text,
       {pnl_number} AS pnl_theirs, {volume_number} AS volume_theirs, TRY_CAST(t.coverage_text AS DOUBLE) AS coverage_theirs,
       o.realized_pnl AS pnl_ours, o.volume AS volume_ours, o.coverage AS coverage_ours,
       (SELECT count(DISTINCT account) FROM ours) AS wallets
FROM theirs AS t
LEFT JOIN (
    SELECT '0x' || lower(hex(d.address)) AS address, d.account FROM dim.accounts AS d
    WHERE d.account IN (SELECT account FROM ours)
) AS a ON a.address = t.address
LEFT JOIN ours AS o ON o.account = a.account AND o.category IS NOT DISTINCT FROM t.category
ORDER BY t.row;
