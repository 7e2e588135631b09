-- What arrives later: receipts of the transactions (the fill of each row that has nothing else), and per token its
-- condition and outcome.
INSERT INTO claim.receipt_fills
SELECT transaction, 60000000 + trade // 10, CAST(trade % 10 AS INTEGER), 5, wallet, 6, 1, side,
       CAST(floor(2 * {conditions} * pow((hash(trade + 1000000000000) >> 11) / 9007199254740992.0, 2)) AS INTEGER),
       shares, collateral, 0, 1
FROM imported.trades WHERE transaction IS NOT NULL;

CREATE TABLE mapping AS
SELECT CAST(i AS INTEGER) AS token, CAST(i // 2 AS INTEGER) AS condition, CAST(i % 2 AS INTEGER) AS outcome_index
FROM range(2 * {conditions}) AS t(i);
