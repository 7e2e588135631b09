SELECT '0x' || lower(hex(a.address)) AS wallet, w.*
FROM book.wallet_categories AS w
JOIN dim.accounts AS a ON a.account = w.account
WHERE $wallet IS NULL OR a.address = $wallet
ORDER BY wallet, w.category;
