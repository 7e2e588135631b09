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
),
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
),
funding AS (
    SELECT f.*, CASE WHEN f.kind = 0 THEN list_max(f.amounts) ELSE 0 END AS added, a.condition, a.collateral
    FROM chain.amm_funding AS f JOIN chain.amm_pools AS a ON a.pool = f.pool
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
-- neg-risk conversions: cash, unbacked wrapped collateral, and the shares given and received
UNION ALL
SELECT tx, log_index, CASE WHEN sign = 1 THEN stakeholder ELSE wrapped_collateral END, NULL, NULL, 1,
       sign * (no_count - 1) * (amount - fee), 'convert', NULL, neg_risk_market
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
FROM converted_tokens CROSS JOIN both_sides WHERE NOT given AND fee <> 0
-- funding of AMM pools
UNION ALL
SELECT f.tx, f.log_index, CASE WHEN sign = 1 THEN f.pool ELSE f.funder END, NULL, NULL, 1,
       sign * (f.added - f.collateral_from_fees), CASE WHEN f.kind = 0 THEN 'fund' ELSE 'unfund' END, f.condition, NULL
FROM funding AS f CROSS JOIN both_sides
UNION ALL
SELECT f.tx, f.log_index, CASE WHEN sign = 1 THEN f.funder ELSE f.pool END, t.token, t.token, NULL,
       sign * (CASE WHEN f.kind = 0 THEN f.added - f.amounts[t.outcome_index + 1] ELSE f.amounts[t.outcome_index + 1] END),
       CASE WHEN f.kind = 0 THEN 'fund' ELSE 'unfund' END, f.condition, NULL
FROM funding AS f JOIN dim.tokens AS t ON t.condition = f.condition AND t.collateral = f.collateral
CROSS JOIN both_sides;
