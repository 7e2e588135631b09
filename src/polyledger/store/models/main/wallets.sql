-- One row per wallet; coverage columns are the share of traded conditions and of volume that is resolved.
CREATE VIEW wallets AS
SELECT '0x' || lower(hex(a.address)) AS wallet,
       CAST(sum(w.realized_pnl) AS BIGINT) AS realized_pnl, CAST(sum(w.cash_flow) AS BIGINT) AS cash_flow,
       CAST(sum(w.settled_value) AS BIGINT) AS settled_value,
       CAST(sum(w.transferred_value) AS BIGINT) AS transferred_value,
       CAST(sum(w.low) AS BIGINT) AS low, CAST(sum(w.high) AS BIGINT) AS high, CAST(sum(w.volume) AS BIGINT) AS volume,
       sum(w.resolved_conditions) / nullif(sum(w.traded_conditions), 0) AS coverage_conditions,
       sum(w.resolved_volume) / nullif(sum(w.volume), 0) AS coverage_volume,
       CAST(sum(w.traded_conditions) AS BIGINT) AS traded_conditions,
       CAST(sum(w.resolved_conditions) AS BIGINT) AS resolved_conditions,
       CAST(sum(w.winning_conditions) AS BIGINT) AS winning_conditions,
       CAST(sum(w.yes_conditions) AS BIGINT) AS yes_conditions,
       CAST(sum(w.no_conditions) AS BIGINT) AS no_conditions,
       CAST(sum(w.fills) AS BIGINT) AS fills
FROM book.wallet_categories AS w
JOIN dim.accounts AS a ON a.account = w.account
GROUP BY a.address;
