-- The lines of AMM pools that are funded or unfunded, in the columns of book.lines.
CREATE VIEW book.funding_lines AS
WITH
both_sides AS (SELECT 1 AS sign UNION ALL SELECT -1 AS sign),
funding AS (
    SELECT f.*, CASE WHEN f.kind = 0 THEN list_max(f.amounts) ELSE 0 END AS added, a.condition, a.collateral
    FROM chain.amm_funding AS f JOIN chain.amm_pools AS a ON a.pool = f.pool
)
SELECT f.tx, f.log_index, CASE WHEN sign = 1 THEN f.pool ELSE f.funder END AS account,
       CAST(NULL AS INTEGER) AS token, CAST(NULL AS INTEGER) AS about_token, CAST(1 AS UTINYINT) AS currency,
       sign * (f.added - f.collateral_from_fees) AS amount, CASE WHEN f.kind = 0 THEN 'fund' ELSE 'unfund' END AS reason,
       f.condition, CAST(NULL AS INTEGER) AS neg_risk_market
FROM funding AS f CROSS JOIN both_sides
UNION ALL
SELECT f.tx, f.log_index, CASE WHEN sign = 1 THEN f.funder ELSE f.pool END, t.token, t.token, NULL,
       sign * (CASE WHEN f.kind = 0 THEN f.added - f.amounts[t.outcome_index + 1] ELSE f.amounts[t.outcome_index + 1] END),
       CASE WHEN f.kind = 0 THEN 'fund' ELSE 'unfund' END, f.condition, NULL
FROM funding AS f JOIN dim.tokens AS t ON t.condition = f.condition AND t.collateral = f.collateral
CROSS JOIN both_sides;
