-- What the standings of all wallets rest on as of the beginning of a day, in one line: while it is the same, they are. Counts
-- tell of rows that came in or went, the digest of the last thousand blocks of a reorg. {tx} is the first transaction key
-- of the day, {seconds} its beginning. Conditions that were prepared later have no part in it.
WITH later AS (SELECT condition FROM chain.preparations WHERE tx >= {tx})
SELECT concat_ws('-',
    (SELECT count(*) FROM chain.fills WHERE tx < {tx}),
    (SELECT bit_xor(hash(tx, log_index, wallet, token, side, shares, collateral))
     FROM chain.fills WHERE tx < {tx} AND tx >= {tx} - 65536000),
    (SELECT count(*) FROM chain.position_changes WHERE tx < {tx}),
    (SELECT count(*) FROM chain.redemptions WHERE tx < {tx}),
    (SELECT count(*) FROM chain.conversions WHERE tx < {tx}),
    (SELECT count(*) FROM chain.share_transfers WHERE tx < {tx}),
    (SELECT count(*) FROM chain.amm_funding WHERE tx < {tx}),
    (SELECT bit_xor(hash(tx, condition, numerators)) FROM chain.resolutions WHERE tx < {tx}),
    (SELECT bit_xor(hash(condition, numerators, resolved_at)) FROM book.resolution_facts
     WHERE tx IS NULL AND numerators IS NOT NULL AND resolved_at < {seconds}),
    (SELECT bit_xor(hash(token, condition, outcome_index)) FROM dim.tokens
     WHERE condition IS NOT NULL AND condition NOT IN (SELECT condition FROM later)),
    (SELECT bit_xor(hash(condition, category)) FROM signal_markets
     WHERE condition NOT IN (SELECT condition FROM later)),
    (SELECT bit_xor(hash(account)) FROM book.accounts_aside)) AS basis
