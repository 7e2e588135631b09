SELECT sum(trades) AS total,
       sum(CASE WHEN has_condition THEN trades ELSE 0 END) AS condition,
       sum(CASE WHEN has_market THEN trades ELSE 0 END) AS market,
       sum(CASE WHEN has_category THEN trades ELSE 0 END) AS category,
       sum(CASE WHEN has_resolution THEN trades ELSE 0 END) AS resolution,
       sum(CASE WHEN has_condition THEN 0 ELSE trades END) AS pending,
       sum(volume) AS volume_total,
       sum(CASE WHEN has_condition THEN volume ELSE 0 END) AS volume_condition,
       sum(CASE WHEN has_market THEN volume ELSE 0 END) AS volume_market,
       sum(CASE WHEN has_category THEN volume ELSE 0 END) AS volume_category,
       sum(CASE WHEN has_resolution THEN volume ELSE 0 END) AS volume_resolution,
       sum(CASE WHEN has_condition THEN 0 ELSE volume END) AS volume_pending
FROM book.trade_attribution;
