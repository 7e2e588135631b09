-- One row per condition: how it stands. state: open, closed_unresolved (trading is over, nobody names a payout),
-- resolved, void (every outcome pays the same). payouts: what a share of each outcome pays, in USDC. winner: the outcome
-- that pays most, null where several do. source and verdict: chain and proven, or the claim that stands.
WITH winners AS (
    SELECT condition, list_position(numerators, list_max(numerators)) - 1 AS winner_index
    FROM book.resolution_facts
    WHERE numerators IS NOT NULL AND len(list_filter(numerators, lambda n: n = list_max(numerators))) = 1
)
SELECT '0x' || lower(hex(f.condition_id)) AS condition_id, f.market_id,
       coalesce(f.resolution_state, CASE WHEN f.closed THEN 'closed_unresolved' ELSE 'open' END) AS state,
       list_transform(f.numerators, lambda n: CAST(CAST(n AS HUGEINT) * 1000000 // list_sum(f.numerators) AS BIGINT)
                                              * 0.000001) AS payouts,
       f.numerators AS payout_numerators,
       CAST(w.winner_index AS INTEGER) AS winner_index, f.outcomes[w.winner_index + 1] AS winner,
       coalesce(f.resolved_by, CASE WHEN f.closed IS NOT NULL THEN f.named_by END) AS source,
       f.resolution_verdict AS verdict, s.lagging,
       f.resolved_tx // 65536 AS block, make_timestamp(coalesce(b.timestamp, s.resolved_at) * 1000000) AS resolved_at,
       '0x' || lower(hex(x.hash)) AS transaction_hash
FROM book.condition_facts AS f
LEFT JOIN book.resolution_facts AS s ON s.condition = f.condition
LEFT JOIN winners AS w ON w.condition = f.condition
LEFT JOIN chain.transactions AS x ON x.tx = f.resolved_tx
LEFT JOIN chain.blocks AS b ON b.number = f.resolved_tx // 65536
WHERE f.condition IN (SELECT condition FROM book.known_conditions)
