CREATE TEMP TABLE folded_holdings AS
SELECT account, token, CAST(sum(shares) AS BIGINT) AS shares, CAST(sum(cash) AS BIGINT) AS cash,
       CAST(sum(bought) AS BIGINT) AS bought, CAST(sum(sold) AS BIGINT) AS sold, CAST(sum(volume) AS BIGINT) AS volume,
       CAST(sum(fills) AS BIGINT) AS fills, CAST(sum(transferred) AS BIGINT) AS transferred
FROM (
    SELECT account, token, shares, cash, bought, sold, volume, fills, transferred FROM book.holdings_base
    UNION ALL
    SELECT account, token, shares, cash, bought, sold, volume, fills, transferred FROM book.wallet_events
    WHERE tx > $upto AND tx <= $last
) AS parts
GROUP BY account, token;
