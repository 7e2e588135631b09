-- What each bucket changed: the accounts of the moments after it less those before it (see series_states).
SELECT account // 2 AS bucket,
       CAST(sum(CASE account % 2 WHEN 1 THEN realized_pnl ELSE -realized_pnl END) AS BIGINT) AS realized_pnl,
       CAST(sum(CASE account % 2 WHEN 1 THEN cash_flow ELSE -cash_flow END) AS BIGINT) AS cash_flow,
       CAST(sum(CASE account % 2 WHEN 1 THEN settled_value ELSE -settled_value END) AS BIGINT) AS settled_value,
       CAST(sum(CASE account % 2 WHEN 1 THEN transferred_value ELSE -transferred_value END) AS BIGINT) AS transferred_value,
       CAST(sum(CASE account % 2 WHEN 1 THEN low ELSE -low END) AS BIGINT) AS low,
       CAST(sum(CASE account % 2 WHEN 1 THEN high ELSE -high END) AS BIGINT) AS high,
       CAST(sum(CASE account % 2 WHEN 1 THEN volume ELSE -volume END) AS BIGINT) AS volume,
       CAST(sum(CASE account % 2 WHEN 1 THEN resolved_volume ELSE -resolved_volume END) AS BIGINT) AS resolved_volume,
       CAST(sum(CASE account % 2 WHEN 1 THEN traded_conditions ELSE -traded_conditions END) AS BIGINT) AS traded_conditions,
       CAST(sum(CASE account % 2 WHEN 1 THEN resolved_conditions ELSE -resolved_conditions END) AS BIGINT) AS resolved_conditions,
       CAST(sum(CASE account % 2 WHEN 1 THEN winning_conditions ELSE -winning_conditions END) AS BIGINT) AS winning_conditions,
       CAST(sum(CASE account % 2 WHEN 1 THEN yes_conditions ELSE -yes_conditions END) AS BIGINT) AS yes_conditions,
       CAST(sum(CASE account % 2 WHEN 1 THEN no_conditions ELSE -no_conditions END) AS BIGINT) AS no_conditions
FROM book.wallet_categories
GROUP BY account // 2
ORDER BY bucket;
