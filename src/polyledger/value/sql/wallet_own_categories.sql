-- One wallet: the filter is on the key itself, so that it reaches the events before they are summed.
SELECT w.* FROM book.wallet_categories AS w WHERE w.account = $account ORDER BY w.category;
