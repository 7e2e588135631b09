-- What ConditionalTokens still holds for a condition pays what is still out: for a settled condition up to rounding (a
-- micro-unit per redemption and outcome), for an open one every outcome is out as often as collateral is in.
WITH pooled AS (
    SELECT condition, collateral, sum(amount) AS pooled, count(*) AS movements
    FROM (
        SELECT p.condition, p.collateral, CASE WHEN p.kind = 0 THEN p.amount ELSE -p.amount END AS amount
        FROM chain.position_changes AS p JOIN dim.contracts AS c ON c.account = p.contract
        WHERE c.role = 'conditional_tokens'
        UNION ALL
        SELECT r.condition, r.collateral, -r.payout
        FROM chain.redemptions AS r JOIN dim.contracts AS c ON c.account = r.contract
        WHERE c.role = 'conditional_tokens'
    ) AS flows
    GROUP BY condition, collateral
),
supply AS (
    SELECT token, sum(amount) AS amount
    FROM (
        SELECT token, amount FROM chain.share_transfers WHERE sender = (SELECT zero FROM book.protocol)
        UNION ALL
        SELECT token, -amount FROM chain.share_transfers WHERE recipient = (SELECT zero FROM book.protocol)
    ) AS flows
    GROUP BY token
),
compared AS (
    SELECT p.condition, p.collateral, p.pooled, p.movements, count(*) AS outcomes,
           max(q.denominator) AS denominator,
           sum(CAST(coalesce(s.amount, 0) AS HUGEINT) * q.numerator) AS due,
           min(coalesce(s.amount, 0)) AS least, max(coalesce(s.amount, 0)) AS most
    FROM pooled AS p
    JOIN dim.tokens AS t ON t.condition = p.condition AND t.collateral = p.collateral
    LEFT JOIN supply AS s ON s.token = t.token
    LEFT JOIN book.payouts AS q ON q.condition = p.condition AND q.outcome_index = t.outcome_index
    GROUP BY p.condition, p.collateral, p.pooled, p.movements
)
SELECT '0x' || lower(hex(d.condition_id)) AS subject,
       CASE WHEN c.denominator IS NULL
            THEN 'open: ' || CAST(c.pooled AS VARCHAR) || ' micro-USDC pooled, between ' || CAST(c.least AS VARCHAR)
                 || ' and ' || CAST(c.most AS VARCHAR) || ' micro-shares of its outcomes out'
            ELSE 'settled: ' || CAST(c.pooled AS VARCHAR) || ' micro-USDC pooled, shares out are worth '
                 || CAST(c.due // c.denominator AS VARCHAR) END AS detail
FROM compared AS c JOIN dim.conditions AS d ON d.condition = c.condition
WHERE (c.denominator IS NULL AND (c.least <> c.pooled OR c.most <> c.pooled))
   OR (c.denominator IS NOT NULL
       AND abs(c.pooled * c.denominator - c.due) > c.denominator * c.outcomes * (c.movements + 1));
