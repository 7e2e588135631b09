-- How much of the trades (legs) and of the volume (each match once, 1e-6 USDC) is attributed.
CREATE VIEW coverage AS
SELECT 'trades' AS measure, sum(trades) AS total,
       sum(CASE WHEN has_condition THEN trades ELSE 0 END) AS condition,
       sum(CASE WHEN has_market THEN trades ELSE 0 END) AS market,
       sum(CASE WHEN has_category THEN trades ELSE 0 END) AS category,
       sum(CASE WHEN has_resolution THEN trades ELSE 0 END) AS resolution
FROM book.trade_attribution
UNION ALL
SELECT 'volume', sum(volume),
       sum(CASE WHEN has_condition THEN volume ELSE 0 END),
       sum(CASE WHEN has_market THEN volume ELSE 0 END),
       sum(CASE WHEN has_category THEN volume ELSE 0 END),
       sum(CASE WHEN has_resolution THEN volume ELSE 0 END)
FROM book.trade_attribution;
