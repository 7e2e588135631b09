-- A unit is what is bounded together: a plain condition, a neg-risk group, a token without a condition. Its figures only
-- change when something happens to it: an event of the wallet, or the settlement of one of its conditions. For each unit
-- and bucket in which that is so, its state after (side 1) and before (side 0): what a bucket changes is the difference.
CREATE OR REPLACE TEMP TABLE series_conditions AS
SELECT f.condition, f.neg_risk_market, f.outcome_slots, f.category, f.numerators,
       CASE WHEN f.neg_risk_market IS NULL THEN CAST(f.condition AS BIGINT) * 4 + 2
            ELSE CAST(f.neg_risk_market AS BIGINT) * 4 + 1 END AS unit,
       CASE WHEN f.numerators IS NOT NULL THEN coalesce((s.settled_at - {offset}) // {span}, {last}) END AS settled,
       coalesce((p.timestamp - {offset}) // {span}, 0) AS prepared
FROM book.condition_facts AS f
LEFT JOIN book.settled_times AS s ON s.condition = f.condition
LEFT JOIN chain.blocks AS p ON p.number = f.prepared_tx // 65536
WHERE f.condition IN (SELECT condition FROM book.token_facts WHERE token IN (SELECT token FROM series_events))
   OR f.neg_risk_market IN (
        SELECT neg_risk_market FROM series_group_cash
        UNION
        SELECT q.neg_risk_market FROM chain.neg_risk_questions AS q
        JOIN book.token_facts AS t ON t.condition = q.condition
        WHERE t.token IN (SELECT token FROM series_events));

CREATE OR REPLACE TEMP TABLE series_tokens AS
SELECT t.token, t.condition, t.outcome_index, t.numerator, t.denominator, c.settled,
       coalesce(c.unit, CAST(t.token AS BIGINT) * 4 + 3) AS unit
FROM (
    SELECT e.token, f.condition, f.outcome_index, f.numerator, f.denominator
    FROM (SELECT DISTINCT token FROM series_events) AS e
    LEFT JOIN book.token_facts AS f ON f.token = e.token
) AS t
LEFT JOIN series_conditions AS c ON c.condition = t.condition;

CREATE OR REPLACE TEMP TABLE series_points AS
WITH touched AS (
    SELECT t.unit, e.bucket FROM series_events AS e JOIN series_tokens AS t ON t.token = e.token
    UNION
    SELECT CAST(neg_risk_market AS BIGINT) * 4 + 1, bucket FROM series_group_cash
),
beginnings AS (SELECT unit, min(bucket) AS bucket FROM touched GROUP BY unit)
SELECT unit, bucket FROM touched
UNION
SELECT c.unit, c.settled FROM series_conditions AS c JOIN beginnings AS b ON b.unit = c.unit
WHERE c.settled > b.bucket
UNION
SELECT c.unit, c.prepared FROM series_conditions AS c JOIN beginnings AS b ON b.unit = c.unit
WHERE c.prepared > b.bucket AND c.neg_risk_market IS NOT NULL;

CREATE OR REPLACE TEMP TABLE series_moments AS
SELECT unit, bucket, CAST(1 AS INTEGER) AS side, bucket AS upto, CAST(bucket * 2 + 1 AS INTEGER) AS account
FROM series_points
UNION ALL
SELECT unit, bucket, 0, bucket - 1, CAST(bucket * 2 AS INTEGER) FROM series_points;

-- Every token of a unit with its sums up to the moment. Keys are made of the key and the moment, so that the same token
-- at two moments is two tokens.
CREATE OR REPLACE TEMP TABLE series_states AS
WITH sums AS (
    SELECT token, bucket,
           sum(shares) OVER upto AS shares, sum(cash) OVER upto AS cash, sum(bought) OVER upto AS bought,
           sum(sold) OVER upto AS sold, sum(volume) OVER upto AS volume, sum(fills) OVER upto AS fills,
           sum(transferred) OVER upto AS transferred
    FROM series_events
    WINDOW upto AS (PARTITION BY token ORDER BY bucket ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
)
SELECT m.account, CAST(m.account AS BIGINT) * 8589934592 + 4294967296 + m.token AS token,
       CAST(m.account AS BIGINT) * 4294967296 + m.condition AS condition, m.outcome_index,
       CASE WHEN m.settled <= m.upto THEN m.numerator END AS numerator,
       CASE WHEN m.settled <= m.upto THEN m.denominator END AS denominator,
       CAST(s.shares AS BIGINT) AS shares, CAST(s.cash AS BIGINT) AS cash, CAST(s.bought AS BIGINT) AS bought,
       CAST(s.sold AS BIGINT) AS sold, CAST(s.volume AS BIGINT) AS volume, CAST(s.fills AS BIGINT) AS fills,
       CAST(s.transferred AS BIGINT) AS transferred
FROM (SELECT m.account, m.upto, t.* FROM series_moments AS m JOIN series_tokens AS t ON t.unit = m.unit) AS m
ASOF JOIN sums AS s ON s.token = m.token AND m.upto >= s.bucket;

CREATE OR REPLACE TEMP TABLE series_facts AS
SELECT CAST(m.account AS BIGINT) * 4294967296 + c.condition AS condition,
       CAST(m.account AS BIGINT) * 4294967296 + c.neg_risk_market AS neg_risk_market, c.outcome_slots, c.category,
       CASE WHEN c.settled <= m.upto THEN c.numerators END AS numerators, c.prepared <= m.upto AS is_there
FROM series_moments AS m JOIN series_conditions AS c ON c.unit = m.unit;

CREATE OR REPLACE TEMP TABLE series_groups AS
SELECT m.account, CAST(m.account AS BIGINT) * 4294967296 + c.neg_risk_market AS neg_risk_market,
       CAST(sum(c.cash) AS BIGINT) AS cash
FROM series_moments AS m
JOIN series_group_cash AS c ON CAST(c.neg_risk_market AS BIGINT) * 4 + 1 = m.unit AND c.bucket <= m.upto
GROUP BY m.account, c.neg_risk_market;
