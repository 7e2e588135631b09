-- Trades and volume (each match once) of each condition; null where no condition is known.
CREATE OR REPLACE TEMP TABLE traded AS
SELECT condition, CAST(sum(trades) AS BIGINT) AS trades, CAST(sum(volume) AS BIGINT) AS volume
FROM book.trade_attribution
GROUP BY condition;
