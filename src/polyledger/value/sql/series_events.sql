-- What happened to one wallet, by token and {span} (a day or a week, counted from 1970-01-01, weeks from a Monday). What
-- has no time is put into the last one, {last}. Only what the ledger's period leaves of the wallet.
CREATE OR REPLACE TEMP TABLE series_events AS
SELECT token, bucket, CAST(sum(shares) AS BIGINT) AS shares, CAST(sum(cash) AS BIGINT) AS cash,
       CAST(sum(bought) AS BIGINT) AS bought, CAST(sum(sold) AS BIGINT) AS sold, CAST(sum(volume) AS BIGINT) AS volume,
       CAST(sum(fills) AS BIGINT) AS fills, CAST(sum(transferred) AS BIGINT) AS transferred
FROM (
    SELECT e.token, coalesce((b.timestamp - {offset}) // {span}, {last}) AS bucket,
           e.shares, e.cash, e.bought, e.sold, e.volume, e.fills, e.transferred
    FROM book.wallet_events AS e LEFT JOIN chain.blocks AS b ON b.number = e.tx // 65536
    WHERE e.account = {account}
    UNION ALL
    SELECT e.token, coalesce((e.timestamp - {offset}) // {span}, {last}),
           e.shares, e.cash, e.bought, e.sold, e.volume, e.fills, e.transferred
    FROM book.imported_events AS e
    WHERE e.account = {account}
    UNION ALL
    SELECT token, (timestamp - {offset}) // {span}, shares, cash, 0, 0, 0, 0, 0
    FROM book.movement_events
    WHERE account = {account}
) AS events
WHERE token IN (SELECT token FROM book.all_holdings WHERE account = {account})
GROUP BY token, bucket;

CREATE OR REPLACE TEMP TABLE series_group_cash AS
SELECT c.neg_risk_market, coalesce((b.timestamp - {offset}) // {span}, {last}) AS bucket,
       CAST(sum(c.cash) AS BIGINT) AS cash
FROM book.conversion_cash AS c LEFT JOIN chain.blocks AS b ON b.number = c.tx // 65536
WHERE c.account = {account}
  AND c.neg_risk_market IN (SELECT neg_risk_market FROM book.group_cash WHERE account = {account})
GROUP BY c.neg_risk_market, bucket;
