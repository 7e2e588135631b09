-- Imported trades with what the chain makes of each. standing: 0 counts, 1 is a duplicate (of a fill on chain, or of an
-- earlier row), 2 is unconfirmed (it lies where everything was scanned, and no fill is it). link is the key in
-- book.imported_links: the token of the fill that the row is, where its transaction told that; else a negative number
-- made of the row's set of ids and how far its transaction leads (0 it names none, 1 open, 2 everybody was asked in
-- vain, 3 a scanned block holds the transaction and no fill in it is the row).
CREATE VIEW book.imported_rows AS
SELECT t.trade, t.file, t.row_number, t.identity, t.transaction, t.log_index, t.wallet, t.counterparty, t.role, t.side,
       t.shares, t.collateral, t.fee, t.timestamp, m.tx,
       CASE WHEN m.tx IS NOT NULL OR r.trade IS NOT NULL THEN 1 WHEN e.unconfirmed THEN 2 ELSE 0 END AS standing,
       coalesce(CAST(m.token AS BIGINT), -1 - CAST(t.identity AS BIGINT) * 4
           - coalesce(e.tracing, CASE WHEN t.transaction IS NULL THEN 0 ELSE 1 END)) AS link
FROM imported.trades AS t
LEFT JOIN imported.matches AS m ON m.trade = t.trade
LEFT JOIN imported.repeats AS r ON r.trade = t.trade
LEFT JOIN book.imported_exceptions AS e ON e.trade = t.trade;
