-- Rows first … last of the imported file.
INSERT INTO imported.trades
SELECT i, 0, i + 1, CASE WHEN i % 10 < 3 THEN 0 ELSE 1 + token END,
       CASE WHEN i % 10 < 3 THEN CAST((i // 10 * 3 + i % 10) // 2 AS INTEGER) END, NULL,
       CAST(1000 + floor({wallets} * pow((hash(i // 3) >> 11) / 9007199254740992.0, 3)) AS INTEGER), NULL, NULL,
       CAST(i // 5 % 2 AS UTINYINT), shares, shares * (1 + h // 7 % 999) // 1000, NULL, 1670000000 + i
FROM (
    SELECT i, h, 1000000 + h % 500000000 AS shares,
           CAST(floor(2 * {conditions} * pow((hash(i + 1000000000000) >> 11) / 9007199254740992.0, 2)) AS INTEGER) AS token
    FROM (SELECT i, CAST(hash(i) >> 2 AS BIGINT) AS h FROM range({first}, {last}) AS t(i))
);
