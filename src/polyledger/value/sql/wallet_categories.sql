SELECT '0x' || lower(hex(a.address)) AS wallet, w.*
FROM book.wallet_categories AS w
JOIN dim.accounts AS a ON a.account = w.account
ORDER BY wallet, w.category;
