-- The journal: what each protocol event says happened, as double-entry lines. Amounts in 1e-6 units, signed from the
-- account's side. A share line names its token; a cash line names its currency (1 = USDC.e or pUSD, 2 = wrapped
-- collateral, 0 = a collateral that is not Polymarket's) and, where it is about one token, that token in about_token.
-- The lines of one event sum to zero per token and per currency.
CREATE VIEW book.lines AS
WITH
both_sides AS (SELECT 1 AS sign UNION ALL SELECT -1 AS sign),
legs AS (
    SELECT f.*, CASE WHEN role <= 1 THEN contract ELSE counterparty END AS other,
           CASE WHEN side = 0 THEN 1 ELSE -1 END AS direction
    FROM chain.fills AS f
),
changes AS (
    SELECT c.*, CASE WHEN kind = 0 THEN 1 ELSE -1 END AS direction,
           c.contract = p.conditional_tokens AS direct,
           CASE WHEN c.contract <> p.conditional_tokens THEN 1 ELSE coalesce(k.currency, 0) END AS currency,
           CASE WHEN c.contract = p.conditional_tokens THEN p.conditional_tokens ELSE p.wrapped_collateral END AS payer,
           CASE WHEN c.contract = p.conditional_tokens THEN p.zero ELSE c.contract END AS issuer,
           p.zero
    FROM chain.position_changes AS c
    CROSS JOIN book.protocol AS p
    LEFT JOIN book.currencies AS k ON k.account = c.collateral
),
redeemed AS (
    SELECT r.*, r.contract = p.conditional_tokens AS direct,
           CASE WHEN r.contract <> p.conditional_tokens THEN 1 ELSE coalesce(k.currency, 0) END AS currency,
           CASE WHEN r.contract = p.conditional_tokens THEN p.conditional_tokens ELSE p.wrapped_collateral END AS payer,
           CASE WHEN r.contract = p.conditional_tokens THEN p.zero ELSE r.contract END AS issuer,
           p.zero
    FROM chain.redemptions AS r
    CROSS JOIN book.protocol AS p
    LEFT JOIN book.currencies AS k ON k.account = r.collateral
)
-- fills: the wallet against the exchange (or against the operator or pool that filled it)
SELECT tx, log_index, CASE WHEN sign = 1 THEN wallet ELSE other END AS account,
       CAST(NULL AS INTEGER) AS token, token AS about_token, CAST(1 AS UTINYINT) AS currency,
       -sign * direction * collateral AS amount, 'fill' AS reason,
       CAST(NULL AS INTEGER) AS condition, CAST(NULL AS INTEGER) AS neg_risk_market
FROM legs CROSS JOIN both_sides
UNION ALL
SELECT tx, log_index, CASE WHEN sign = 1 THEN wallet ELSE other END, token, token, NULL,
       sign * direction * shares, 'fill', NULL, NULL
FROM legs CROSS JOIN both_sides
UNION ALL
SELECT tx, log_index, CASE WHEN sign = 1 THEN wallet ELSE other END,
       CASE WHEN layout = 1 AND side = 0 THEN token END, token, CASE WHEN layout = 1 AND side = 0 THEN NULL ELSE 1 END,
       -sign * fee, 'fee', NULL, NULL
FROM legs CROSS JOIN both_sides WHERE fee <> 0
UNION ALL
SELECT tx, log_index, CASE WHEN sign = 1 THEN wallet ELSE other END,
       CASE WHEN side = 1 THEN token END, token, CASE WHEN side = 1 THEN NULL ELSE 1 END,
       sign * leftover, 'leftover', NULL, NULL
FROM legs CROSS JOIN both_sides WHERE leftover <> 0
-- fees: from the exchange to whoever receives them; refunds: from the fee module to the wallet
UNION ALL
SELECT tx, log_index, CASE WHEN sign = 1 THEN receiver ELSE contract END, token, token,
       CASE WHEN token IS NULL THEN 1 END, sign * amount, 'fee', NULL, NULL
FROM chain.fees_charged CROSS JOIN both_sides
UNION ALL
SELECT tx, log_index, CASE WHEN sign = 1 THEN recipient ELSE contract END, token, token,
       CASE WHEN token IS NULL THEN 1 END, sign * refund, 'refund', NULL, NULL
FROM chain.fee_refunds CROSS JOIN both_sides
-- splits and merges
UNION ALL
SELECT tx, log_index, CASE WHEN sign = 1 THEN stakeholder ELSE payer END, NULL, NULL, currency,
       -sign * direction * amount, CASE WHEN kind = 0 THEN 'split' ELSE 'merge' END, condition, NULL
FROM changes CROSS JOIN both_sides
UNION ALL
SELECT tx, log_index, CASE WHEN sign = 1 THEN contract ELSE zero END, NULL, NULL, 2,
       sign * direction * amount, CASE WHEN kind = 0 THEN 'wrap' ELSE 'unwrap' END, condition, NULL
FROM changes CROSS JOIN both_sides WHERE NOT direct
UNION ALL
SELECT c.tx, c.log_index, CASE WHEN sign = 1 THEN c.stakeholder ELSE c.issuer END, t.token, t.token, NULL,
       sign * c.direction * c.amount, CASE WHEN c.kind = 0 THEN 'split' ELSE 'merge' END, c.condition, NULL
FROM changes AS c JOIN dim.tokens AS t ON t.condition = c.condition AND t.collateral = c.collateral
CROSS JOIN both_sides
-- redemptions
UNION ALL
SELECT tx, log_index, CASE WHEN sign = 1 THEN redeemer ELSE payer END, NULL, NULL, currency,
       sign * payout, 'redeem', condition, NULL
FROM redeemed CROSS JOIN both_sides
UNION ALL
SELECT tx, log_index, CASE WHEN sign = 1 THEN zero ELSE contract END, NULL, NULL, 2,
       sign * payout, 'unwrap', condition, NULL
FROM redeemed CROSS JOIN both_sides WHERE NOT direct
UNION ALL
SELECT r.tx, r.log_index, CASE WHEN sign = 1 THEN r.issuer ELSE r.redeemer END, s.token, s.token, NULL,
       sign * s.amount, 'redeem', r.condition, NULL
FROM redeemed AS r JOIN chain.redemption_shares AS s ON s.tx = r.tx AND s.log_index = r.log_index
CROSS JOIN both_sides
-- neg-risk conversions, and the funding of AMM pools
UNION ALL
SELECT tx, log_index, account, token, about_token, currency, amount, reason, condition, neg_risk_market
FROM book.conversion_lines
UNION ALL
SELECT tx, log_index, account, token, about_token, currency, amount, reason, condition, neg_risk_market
FROM book.funding_lines;
