-- The trades that earlier runs stored under this name, from a second on, equal ones with their number.
SELECT x.hash, a.address, k.position_id, t.side, t.shares, t.collateral, t.timestamp, count(*) AS count
FROM imported.trades AS t
JOIN imported.files AS f ON f.file = t.file
JOIN imported.transactions AS x ON x.transaction = t.transaction
JOIN dim.accounts AS a ON a.account = t.wallet
JOIN imported.identities AS i ON i.identity = t.identity
JOIN dim.tokens AS k ON k.token = i.token
WHERE f.name = $name AND t.timestamp >= $start
GROUP BY x.hash, a.address, k.position_id, t.side, t.shares, t.collateral, t.timestamp;
