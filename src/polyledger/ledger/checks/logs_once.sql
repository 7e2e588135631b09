-- Every log is in the ledger once: one row per block and log index over all tables, one header per block.
WITH logs AS (
    SELECT tx, log_index FROM chain.fills WHERE tx BETWEEN $first AND $last
    UNION ALL SELECT tx, log_index FROM chain.matches WHERE tx BETWEEN $first AND $last
    UNION ALL SELECT tx, log_index FROM chain.fees_charged WHERE tx BETWEEN $first AND $last
    UNION ALL SELECT tx, log_index FROM chain.fee_refunds WHERE tx BETWEEN $first AND $last
    UNION ALL SELECT tx, log_index FROM chain.share_transfers WHERE item = 0 AND tx BETWEEN $first AND $last
    UNION ALL SELECT tx, log_index FROM chain.collateral_transfers WHERE tx BETWEEN $first AND $last
    UNION ALL SELECT tx, log_index FROM chain.position_changes WHERE tx BETWEEN $first AND $last
    UNION ALL SELECT tx, log_index FROM chain.redemptions WHERE tx BETWEEN $first AND $last
    UNION ALL SELECT tx, log_index FROM chain.conversions WHERE tx BETWEEN $first AND $last
    UNION ALL SELECT tx, log_index FROM chain.preparations WHERE tx BETWEEN $first AND $last
    UNION ALL SELECT tx, log_index FROM chain.resolutions WHERE tx BETWEEN $first AND $last
    UNION ALL SELECT tx, log_index FROM chain.registrations WHERE tx BETWEEN $first AND $last
)
SELECT '0x' || lower(hex(x.hash)) AS subject,
       'log ' || CAST(d.log_index AS VARCHAR) || ' is stored ' || CAST(d.n AS VARCHAR) || ' times' AS detail
FROM (
    SELECT tx, log_index, count(*) AS n FROM logs GROUP BY tx, log_index HAVING count(*) > 1
) AS d
JOIN chain.transactions AS x ON x.tx = d.tx;
