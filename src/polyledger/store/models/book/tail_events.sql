-- Events after those that book.holdings_base counts. The border is a literal, so that the engine sees how much lies
-- behind it: store/holdings.py writes it anew in the transaction that moves it.
CREATE VIEW book.tail_events AS
SELECT tx, account, token, shares, cash, bought, sold, volume, fills, transferred
FROM book.wallet_events
WHERE tx > -1;
