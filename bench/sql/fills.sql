-- Rows first … last of the synthetic fills. Wallet and token follow from a position, of which some have thousands of
-- fills and most a few; a few wallets and tokens have most of the positions. One in seven fills is a sale, of a fraction
-- of what purchases bring; every other taker leg pays a fee. Order hashes are left out: no figure reads them.
INSERT INTO chain.fills
SELECT (60000000 + i // 60) * 65536 + i % 60 // 4, CAST(i % 60 * 7 AS INTEGER), 5, NULL,
       CAST(1000 + floor({wallets} * pow(random_wallet, 3)) AS INTEGER),
       CAST(1000 + floor({wallets} * pow(random_token, 3)) AS INTEGER),
       CASE WHEN i % 4 = 3 THEN 1 ELSE 0 END,
       CASE WHEN is_sale THEN 1 ELSE 0 END,
       CASE WHEN i % 3 = 0 THEN 1 ELSE 2 END,
       CAST(floor(2 * {conditions} * pow(random_token, 2)) AS INTEGER),
       shares, shares * price // 1000,
       CASE WHEN i % 8 = 3 THEN shares * least(price, 1000 - price) // 100000 ELSE 0 END,
       0, 0, CAST(i % 60 * 7 AS INTEGER), NULL
FROM (
    SELECT i, is_sale,
           (hash(position + 1000000000000) >> 11) / 9007199254740992.0 AS random_wallet,
           (hash(position + 2000000000000) >> 11) / 9007199254740992.0 AS random_token,
           CASE WHEN is_sale THEN 1000000 + h % 50000000 ELSE 5000000 + h % 500000000 END AS shares,
           1 + h // 7 % 999 AS price
    FROM (
        SELECT i, CAST(hash(i) >> 2 AS BIGINT) AS h,
               CAST(floor({positions} * pow((hash(i + 3000000000000) >> 11) / 9007199254740992.0, 2)) AS BIGINT) AS position,
               hash(i + 4000000000000) % 7 = 0 AS is_sale
        FROM range({first}, {last}) AS t(i)
    )
);
