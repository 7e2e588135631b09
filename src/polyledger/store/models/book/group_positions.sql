-- One row per wallet and neg-risk market: conversion cash, and the least and most its open questions can still pay
-- together. At most one YES pays; once one has, every other open question pays NO.
CREATE VIEW book.group_positions AS
WITH open_questions AS (
    SELECT account, neg_risk_market,
           sum(held_no) AS all_no, min(held_yes - held_no) AS worst, max(held_yes - held_no) AS best
    FROM book.wallet_conditions
    WHERE neg_risk_market IS NOT NULL AND NOT resolved
    GROUP BY account, neg_risk_market
),
keys AS (
    SELECT account, neg_risk_market FROM open_questions
    UNION
    SELECT account, neg_risk_market FROM book.group_cash
    WHERE account NOT IN (SELECT account FROM book.accounts_aside)
)
SELECT k.account, k.neg_risk_market, g.category, g.all_resolved,
       coalesce(c.cash, 0) AS cash,
       CAST(coalesce(o.all_no + CASE WHEN g.yes_won THEN 0 ELSE least(o.worst, 0) END, 0) AS BIGINT) AS least_open,
       CAST(coalesce(o.all_no + CASE WHEN g.yes_won THEN 0 ELSE greatest(o.best, 0) END, 0) AS BIGINT) AS most_open
FROM keys AS k
JOIN book.neg_risk_groups AS g ON g.neg_risk_market = k.neg_risk_market
LEFT JOIN open_questions AS o ON o.account = k.account AND o.neg_risk_market = k.neg_risk_market
LEFT JOIN book.group_cash AS c ON c.account = k.account AND c.neg_risk_market = k.neg_risk_market;
