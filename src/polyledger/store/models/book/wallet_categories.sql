-- One row per wallet and category; every column is additive, so a wallet's total is the sum of its rows. The second
-- part bounds the open questions of each neg-risk group together, as group_positions does; the third is the cash of
-- conversions, the fourth what shares received by plain transfers pay.
CREATE VIEW book.wallet_categories AS
WITH conditions AS (
    SELECT account, category, neg_risk_market, coalesce(realized_pnl, 0) AS realized_pnl, cash, settled,
           least_open, most_open, missing, volume, fills, state = 'resolved' AS settles, resolved,
           held_yes, held_no, bought_side
    FROM book.wallet_conditions
)
SELECT account, category,
       CAST(sum(realized_pnl) AS BIGINT) AS realized_pnl,
       CAST(sum(cash_flow) AS BIGINT) AS cash_flow,
       CAST(sum(settled_value) AS BIGINT) AS settled_value,
       CAST(sum(transferred_value) AS BIGINT) AS transferred_value,
       CAST(sum(cash_flow + settled_value + least_open) AS BIGINT) AS low,
       CAST(sum(cash_flow + settled_value + most_open) AS BIGINT) AS high,
       CAST(sum(volume) AS BIGINT) AS volume,
       CAST(sum(resolved_volume) AS BIGINT) AS resolved_volume,
       count(traded) AS traded_conditions,
       count(resolved) AS resolved_conditions,
       count(winning) AS winning_conditions,
       count(yes) AS yes_conditions,
       count(no) AS no_conditions,
       CAST(sum(fills) AS BIGINT) AS fills
FROM (
    SELECT account, category, realized_pnl, cash AS cash_flow, settled AS settled_value, 0 AS transferred_value,
           least_open - missing AS least_open, most_open, volume,
           CASE WHEN settles THEN volume ELSE 0 END AS resolved_volume,
           CASE WHEN fills > 0 THEN 1 END AS traded,
           CASE WHEN fills > 0 AND settles THEN 1 END AS resolved,
           CASE WHEN fills > 0 AND realized_pnl > 0 THEN 1 END AS winning,
           CASE WHEN bought_side = 'YES' THEN 1 END AS yes,
           CASE WHEN bought_side = 'NO' THEN 1 END AS no,
           fills
    FROM conditions
    UNION ALL
    SELECT o.account, g.category, 0, 0, 0, 0,
           o.all_no + CASE WHEN g.yes_won THEN 0 ELSE least(o.worst, 0) END,
           o.all_no + CASE WHEN g.yes_won THEN 0 ELSE greatest(o.best, 0) END,
           0, 0, NULL, NULL, NULL, NULL, NULL, 0
    FROM (
        SELECT account, neg_risk_market, CAST(sum(held_no) AS BIGINT) AS all_no,
               min(held_yes - held_no) AS worst, max(held_yes - held_no) AS best
        FROM conditions
        WHERE neg_risk_market IS NOT NULL AND NOT resolved
        GROUP BY account, neg_risk_market
    ) AS o
    JOIN book.neg_risk_groups AS g ON g.neg_risk_market = o.neg_risk_market
    UNION ALL
    SELECT c.account, g.category, CASE WHEN g.all_resolved THEN c.cash ELSE 0 END, c.cash, 0, 0, 0, 0,
           0, 0, NULL, NULL, NULL, NULL, NULL, 0
    FROM book.group_cash AS c
    JOIN book.neg_risk_groups AS g ON g.neg_risk_market = c.neg_risk_market
    WHERE c.account NOT IN (SELECT account FROM book.accounts_aside)
    UNION ALL
    SELECT v.account, coalesce(f.category, 'Uncategorized'), 0, 0, 0, v.transferred_value, 0, 0,
           0, 0, NULL, NULL, NULL, NULL, NULL, 0
    FROM book.transferred_values AS v
    LEFT JOIN book.condition_facts AS f ON f.condition = v.condition
) AS parts
GROUP BY account, category;
