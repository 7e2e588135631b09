-- The lines of neg-risk conversions, in the columns of book.lines: cash, unbacked wrapped collateral, and the shares given
-- and received. A view of their own: sums by wallet need these lines, and none of the others.
CREATE VIEW book.conversion_lines AS
WITH
both_sides AS (SELECT 1 AS sign UNION ALL SELECT -1 AS sign),
converted AS (
    SELECT c.tx, c.log_index, c.contract, c.stakeholder, c.neg_risk_market, c.amount, len(c.no_indexes) AS no_count,
           c.amount * coalesce(m.fee_bips, 0) // 10000 AS fee,
           p.burn, p.zero, p.neg_risk_vault, p.wrapped_collateral
    FROM chain.conversions AS c
    CROSS JOIN book.protocol AS p
    LEFT JOIN chain.neg_risk_markets AS m ON m.neg_risk_market = c.neg_risk_market
),
converted_tokens AS (
    SELECT c.tx, c.log_index, c.stakeholder, c.contract, c.amount, c.amount * coalesce(m.fee_bips, 0) // 10000 AS fee,
           c.neg_risk_market, list_contains(c.no_indexes, q.question_index) AS given,
           no_token.token AS no_token, yes_token.token AS yes_token, p.burn, p.zero, p.neg_risk_vault
    FROM chain.conversions AS c
    CROSS JOIN book.protocol AS p
    JOIN chain.neg_risk_questions AS q ON q.neg_risk_market = c.neg_risk_market
        AND (q.tx < c.tx OR (q.tx = c.tx AND q.log_index < c.log_index))
    LEFT JOIN chain.neg_risk_markets AS m ON m.neg_risk_market = c.neg_risk_market
    LEFT JOIN dim.tokens AS yes_token ON yes_token.condition = q.condition AND yes_token.outcome_index = 0
        AND yes_token.collateral = p.wrapped_collateral
    LEFT JOIN dim.tokens AS no_token ON no_token.condition = q.condition AND no_token.outcome_index = 1
        AND no_token.collateral = p.wrapped_collateral
)
SELECT tx, log_index, CASE WHEN sign = 1 THEN stakeholder ELSE wrapped_collateral END AS account,
       CAST(NULL AS INTEGER) AS token, CAST(NULL AS INTEGER) AS about_token, CAST(1 AS UTINYINT) AS currency,
       sign * (no_count - 1) * (amount - fee) AS amount, 'convert' AS reason,
       CAST(NULL AS INTEGER) AS condition, neg_risk_market
FROM converted CROSS JOIN both_sides WHERE no_count > 1
UNION ALL
SELECT tx, log_index, CASE WHEN sign = 1 THEN neg_risk_vault ELSE wrapped_collateral END, NULL, NULL, 1,
       sign * (no_count - 1) * fee, 'convert fee', NULL, neg_risk_market
FROM converted CROSS JOIN both_sides WHERE no_count > 1 AND fee <> 0
UNION ALL
SELECT tx, log_index, CASE WHEN sign = 1 THEN contract ELSE zero END, NULL, NULL, 2,
       sign * amount, 'convert', NULL, neg_risk_market
FROM converted_tokens CROSS JOIN both_sides WHERE NOT given
UNION ALL
SELECT tx, log_index, CASE WHEN sign = 1 THEN burn WHEN given THEN stakeholder ELSE contract END,
       no_token, no_token, NULL, sign * amount, 'convert', NULL, neg_risk_market
FROM converted_tokens CROSS JOIN both_sides
UNION ALL
SELECT tx, log_index, CASE WHEN sign = 1 THEN stakeholder ELSE contract END, yes_token, yes_token, NULL,
       sign * (amount - fee), 'convert', NULL, neg_risk_market
FROM converted_tokens CROSS JOIN both_sides WHERE NOT given
UNION ALL
SELECT tx, log_index, CASE WHEN sign = 1 THEN neg_risk_vault ELSE contract END, yes_token, yes_token, NULL,
       sign * fee, 'convert fee', NULL, neg_risk_market
FROM converted_tokens CROSS JOIN both_sides WHERE NOT given AND fee <> 0;
