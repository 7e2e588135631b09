-- condition_positions with state, category, realized profit, and the least and most that an open plain condition can
-- still pay (neg-risk groups are bounded together, in group_positions).
CREATE VIEW book.wallet_conditions AS
SELECT p.*, f.neg_risk_market,
       coalesce(f.category, 'Uncategorized') AS category,
       CASE WHEN p.missing > 0 THEN 'incomplete' WHEN p.resolved THEN 'resolved' ELSE 'open' END AS state,
       CASE WHEN p.resolved AND p.missing = 0 THEN p.cash + p.settled END AS realized_pnl,
       CASE WHEN p.resolved OR f.neg_risk_market IS NOT NULL THEN 0
            WHEN p.condition IS NULL OR p.tokens < coalesce(f.outcome_slots, 2) THEN 0
            ELSE p.least_held END AS least_open,
       CASE WHEN p.resolved OR f.neg_risk_market IS NOT NULL THEN 0 ELSE p.most_held END AS most_open,
       CASE WHEN p.fills = 0 OR coalesce(f.outcome_slots, 2) <> 2 OR p.condition IS NULL THEN NULL
            WHEN p.bought_lean > 0 THEN 'YES'
            WHEN p.bought_lean < 0 THEN 'NO' END AS bought_side
FROM book.condition_positions AS p
LEFT JOIN book.condition_facts AS f ON f.condition = p.condition;
