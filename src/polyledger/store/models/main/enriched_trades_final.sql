-- Every trade with what it was about and what a share of it paid. payout is micro-USDC a share, null while unresolved.
CREATE VIEW enriched_trades_final AS
SELECT t.source, t.row_number, t.block, t.block_time, t.transaction_hash, t.log_index, t.wallet, t.counterparty, t.role,
       t.side, t.shares, t.collateral, t.fee, t.token_id, t.condition_id, t.outcome_index,
       m.outcomes[t.outcome_index + 1] AS outcome, t.market_id, t.question, t.event_id, m.event_title, t.category,
       CASE WHEN list_sum(t.payout_numerators) > 0
            THEN CAST(CAST(t.payout_numerators[t.outcome_index + 1] AS HUGEINT) * 1000000
                      // list_sum(t.payout_numerators) AS BIGINT) END AS payout,
       t.state, t.reason, t.verdict, t.unconfirmed
FROM trades AS t
LEFT JOIN markets AS m ON m.condition_id = t.condition_id;
