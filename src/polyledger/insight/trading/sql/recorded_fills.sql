-- What was traded in a token between two times, each match once: legs of takers and what operators and pools filled.
SELECT b.timestamp, f.tx, f.log_index, f.shares, f.collateral
FROM chain.fills AS f
JOIN chain.blocks AS b ON b.number = f.tx // 65536
WHERE f.token = (SELECT token FROM dim.tokens WHERE token_id = $token)
  AND f.tx BETWEEN $first AND $last AND f.role <> 0 AND f.shares > 0 AND f.collateral > 0
  AND (b.timestamp > $since OR (b.timestamp = $since AND f.tx > $tx))
ORDER BY f.tx, f.log_index
