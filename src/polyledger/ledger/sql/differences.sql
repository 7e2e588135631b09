-- Where journal and transfers of a range of transactions disagree.
SELECT tx, account, token, currency, difference FROM book.differences WHERE tx BETWEEN $first AND $last;
