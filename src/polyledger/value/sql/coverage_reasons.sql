-- Why trades have no condition, most volume first.
SELECT state, reason, sum(trades) AS trades, sum(volume) AS volume
FROM book.trade_attribution
WHERE state <> 'attributed'
GROUP BY state, reason
ORDER BY sum(volume) DESC, sum(trades) DESC, state, reason;
