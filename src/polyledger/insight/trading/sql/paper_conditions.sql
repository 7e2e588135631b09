-- The conditions that were traded, and those of the same neg-risk groups, whose outcomes bound each other.
CREATE OR REPLACE TEMP TABLE paper_conditions AS
WITH traded AS (
    SELECT d.condition, f.neg_risk_market
    FROM dim.conditions AS d
    JOIN traded_ids AS i ON i.id = d.condition_id
    LEFT JOIN (SELECT DISTINCT condition, neg_risk_market FROM chain.neg_risk_questions) AS f ON f.condition = d.condition
)
SELECT condition FROM traded
UNION
SELECT q.condition FROM chain.neg_risk_questions AS q JOIN traded AS t ON t.neg_risk_market = q.neg_risk_market
