-- Sums per account and position of everything that enters profit: events on chain, compacted or not, and imported trades
-- and movements where the chain was not scanned. A position is a token; a negative number where an imported row has none.
CREATE VIEW book.all_holdings AS
SELECT account, token, CAST(sum(shares) AS BIGINT) AS shares, CAST(sum(cash) AS BIGINT) AS cash,
       CAST(sum(bought) AS BIGINT) AS bought, CAST(sum(sold) AS BIGINT) AS sold,
       CAST(sum(bought - sold) AS BIGINT) AS net_bought, CAST(sum(volume) AS BIGINT) AS volume,
       CAST(sum(fills) AS BIGINT) AS fills, CAST(sum(transferred) AS BIGINT) AS transferred
FROM (
    SELECT account, token, shares, cash, bought, sold, volume, fills, transferred FROM book.tail_events
    UNION ALL
    SELECT account, token, shares, cash, bought, sold, volume, fills, transferred FROM book.holdings_base
    UNION ALL
    SELECT account, token, shares, cash, bought, sold, volume, fills, transferred FROM book.imported_events
    UNION ALL
    SELECT account, token, shares, cash, 0, 0, 0, 0, 0 FROM book.movement_events
) AS parts
GROUP BY account, token;
