-- Each redemption pays the resolution's share of what it took, floored per outcome, after the resolution.
-- What somebody redeems through the adapter, the adapter redeems in the same transaction (or more, if it held some).
WITH through AS (
    SELECT s.tx, s.token,
           sum(CASE WHEN c.role = 'neg_risk_adapter' THEN s.amount ELSE 0 END) AS stated,
           sum(CASE WHEN a.role = 'neg_risk_adapter' THEN s.amount ELSE 0 END) AS burnt
    FROM chain.redemption_shares AS s
    JOIN chain.redemptions AS r ON r.tx = s.tx AND r.log_index = s.log_index
    JOIN dim.contracts AS c ON c.account = r.contract
    LEFT JOIN dim.contracts AS a ON a.account = r.redeemer AND c.role = 'conditional_tokens'
    GROUP BY s.tx, s.token
),
paid AS (
    SELECT r.tx, r.log_index, r.condition, r.payout,
           sum(CAST(s.amount AS HUGEINT) * p.numerator // p.denominator) AS due,
           count(CASE WHEN s.tx IS NOT NULL AND p.condition IS NULL THEN 1 END) AS strangers
    FROM chain.redemptions AS r
    LEFT JOIN chain.redemption_shares AS s ON s.tx = r.tx AND s.log_index = r.log_index
    LEFT JOIN dim.tokens AS t ON t.token = s.token
    LEFT JOIN book.payouts AS p ON p.condition = r.condition AND p.outcome_index = t.outcome_index
        AND t.condition = r.condition AND t.collateral = r.collateral
    GROUP BY r.tx, r.log_index, r.condition, r.payout
)
SELECT '0x' || lower(hex(x.hash)) AS subject,
       'log ' || CAST(p.log_index AS VARCHAR) || ': '
           || CASE WHEN q.tx IS NULL THEN 'a redemption of a condition without its resolution'
                   WHEN q.tx > p.tx THEN 'a redemption before the resolution'
                   ELSE 'paid ' || CAST(p.payout AS VARCHAR) || ', the shares taken are worth '
                        || CAST(coalesce(p.due, 0) AS VARCHAR) END AS detail
FROM paid AS p
JOIN chain.transactions AS x ON x.tx = p.tx
LEFT JOIN chain.resolutions AS q ON q.condition = p.condition
WHERE q.tx IS NULL OR q.tx > p.tx OR p.strangers > 0 OR p.payout <> coalesce(p.due, 0)
UNION ALL
SELECT '0x' || lower(hex(x.hash)),
       'redeemed through the adapter: ' || CAST(t.stated AS VARCHAR) || ' micro-shares of token ' || k.token_id
           || ', but the adapter redeemed ' || CAST(t.burnt AS VARCHAR)
FROM through AS t
JOIN chain.transactions AS x ON x.tx = t.tx
JOIN dim.tokens AS k ON k.token = t.token
WHERE t.burnt < t.stated;
