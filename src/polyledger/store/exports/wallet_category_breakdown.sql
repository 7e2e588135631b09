-- One row per wallet and category with the figures of a wallet. Amounts in USDC; ratios are null without a denominator.
SELECT '0x' || lower(hex(a.address)) AS wallet, w.category,
       CAST(w.realized_pnl * 0.000001 AS DECIMAL(26, 6)) AS realized_pnl,
       CAST(w.cash_flow * 0.000001 AS DECIMAL(26, 6)) AS cash_flow,
       CAST(w.settled_value * 0.000001 AS DECIMAL(26, 6)) AS settled_value,
       CAST(w.transferred_value * 0.000001 AS DECIMAL(26, 6)) AS transferred_value,
       CAST(w.low * 0.000001 AS DECIMAL(26, 6)) AS low,
       CAST(w.high * 0.000001 AS DECIMAL(26, 6)) AS high,
       CAST(w.volume * 0.000001 AS DECIMAL(26, 6)) AS volume,
       w.resolved_conditions / nullif(w.traded_conditions, 0) AS coverage_conditions,
       w.resolved_volume / nullif(w.volume, 0) AS coverage_volume,
       w.traded_conditions, w.resolved_conditions, w.winning_conditions,
       w.winning_conditions / nullif(w.resolved_conditions, 0) AS win_rate,
       w.yes_conditions, w.no_conditions,
       CASE WHEN w.yes_conditions + w.no_conditions = 0 THEN NULL
            WHEN w.yes_conditions > 2 * w.no_conditions THEN 'YES'
            WHEN w.no_conditions > 2 * w.yes_conditions THEN 'NO' ELSE 'MIXED' END AS predominant_side,
       w.fills
FROM book.wallet_categories AS w
JOIN dim.accounts AS a ON a.account = w.account
