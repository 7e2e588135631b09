-- What imported trades that count mean for a wallet and a position, in the columns of book.wallet_events. Only rows that
-- say who traded, on which side, how many shares and for how much. A fee is taken as USDC on top: files do not say.
CREATE VIEW book.imported_events AS
SELECT r.trade, r.file, r.wallet AS account, l.position AS token, l.verdict,
       CASE WHEN r.side = 0 THEN r.shares ELSE -r.shares END AS shares,
       CASE WHEN r.side = 0 THEN -r.collateral ELSE r.collateral END - coalesce(r.fee, 0) AS cash,
       CASE WHEN r.side = 0 THEN r.shares ELSE 0 END AS bought,
       CASE WHEN r.side = 1 THEN r.shares ELSE 0 END AS sold,
       r.collateral AS volume, 1 AS fills, 0 AS transferred, r.timestamp
FROM book.imported_rows AS r
JOIN book.imported_links AS l ON l.link = r.link
WHERE r.standing = 0 AND r.wallet IS NOT NULL AND r.side IS NOT NULL AND r.shares IS NOT NULL
  AND r.collateral IS NOT NULL;
