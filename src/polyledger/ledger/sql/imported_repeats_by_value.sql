-- Rows of this file that equal rows of earlier files, as often as those have them: the second of two equal rows repeats
-- the second of two. A row without a transaction must name its wallet and its time, or it is like too many others.
INSERT INTO imported.repeats
WITH fresh AS (
    SELECT trade, identity, coalesce(transaction, -1) AS transaction, coalesce(log_index, -1) AS log_index,
           coalesce(wallet, -1) AS wallet, coalesce(side, 255) AS side, coalesce(shares, -1) AS shares,
           coalesce(collateral, -1) AS collateral, CASE WHEN transaction IS NULL THEN timestamp ELSE -1 END AS timestamp
    FROM imported.trades AS t
    WHERE trade >= $first AND (transaction IS NOT NULL OR (wallet IS NOT NULL AND timestamp IS NOT NULL))
      AND NOT EXISTS (SELECT 1 FROM imported.repeats AS r WHERE r.trade = t.trade)
),
earlier AS (
    SELECT file, trade, identity, coalesce(transaction, -1) AS transaction, coalesce(log_index, -1) AS log_index,
           coalesce(wallet, -1) AS wallet, coalesce(side, 255) AS side, coalesce(shares, -1) AS shares,
           coalesce(collateral, -1) AS collateral, CASE WHEN transaction IS NULL THEN timestamp ELSE -1 END AS timestamp
    FROM imported.trades
    WHERE trade < $first AND (transaction IS NOT NULL OR (wallet IS NOT NULL AND timestamp IS NOT NULL))
),
known AS (
    SELECT e.*
    FROM earlier AS e
    WHERE EXISTS (
        SELECT 1 FROM fresh AS f
        WHERE f.transaction = e.transaction AND f.identity = e.identity AND f.log_index = e.log_index
          AND f.wallet = e.wallet AND f.side = e.side AND f.shares = e.shares AND f.collateral = e.collateral
          AND f.timestamp = e.timestamp)
),
known_ranked AS (
    SELECT *, row_number() OVER (
        PARTITION BY file, transaction, identity, log_index, wallet, side, shares, collateral, timestamp ORDER BY trade
    ) AS place
    FROM known
),
firsts AS (
    SELECT transaction, identity, log_index, wallet, side, shares, collateral, timestamp, place,
           min(trade) AS trade
    FROM known_ranked
    GROUP BY transaction, identity, log_index, wallet, side, shares, collateral, timestamp, place
),
fresh_ranked AS (
    SELECT f.*, row_number() OVER (
        PARTITION BY f.transaction, f.identity, f.log_index, f.wallet, f.side, f.shares, f.collateral, f.timestamp
        ORDER BY f.trade
    ) AS place
    FROM fresh AS f
    WHERE EXISTS (
        SELECT 1 FROM firsts AS k
        WHERE f.transaction = k.transaction AND f.identity = k.identity AND f.log_index = k.log_index
          AND f.wallet = k.wallet AND f.side = k.side AND f.shares = k.shares AND f.collateral = k.collateral
          AND f.timestamp = k.timestamp)
)
SELECT f.trade, k.trade
FROM fresh_ranked AS f
JOIN firsts AS k
  ON f.transaction = k.transaction AND f.identity = k.identity AND f.log_index = k.log_index AND f.wallet = k.wallet
 AND f.side = k.side AND f.shares = k.shares AND f.collateral = k.collateral AND f.timestamp = k.timestamp
 AND f.place = k.place
