-- An imported file of {rows} trades: three in ten name their transaction alone, two rows to a transaction; the others name
-- their token, a few tokens with most of the rows. What the tokens are is not known yet.
INSERT INTO imported.files (file, name, sha256, columns, relative_error, rows, rejected, run_id, imported_at)
VALUES (0, 'trades.parquet', unhex(sha256('file')), '{{}}', 0, {rows}, 0, 'bench', TIMESTAMP '2026-01-01');

INSERT INTO dim.accounts
SELECT CAST(1000 + i AS INTEGER), unhex(left(sha256('wallet ' || i), 40)) FROM range({wallets}) AS t(i);

INSERT INTO dim.conditions
SELECT CAST(i AS INTEGER), unhex(sha256('condition ' || i)) FROM range({conditions}) AS t(i);

INSERT INTO dim.tokens
SELECT CAST(i AS INTEGER), unhex(sha256('token ' || i)), lpad(CAST(i AS VARCHAR), 77, '7'), NULL, NULL, NULL
FROM range(2 * {conditions}) AS t(i);

INSERT INTO imported.identities (identity, token)
SELECT CAST(i + 1 AS INTEGER), CAST(i AS INTEGER) FROM range(2 * {conditions}) AS t(i);

INSERT INTO imported.transactions
SELECT CAST(i AS INTEGER), unhex(sha256('transaction ' || i)) FROM range({rows} * 3 // 10 // 2 + 1) AS t(i);
