-- Each redemption pays the resolution's share of what it took, floored per outcome, after the resolution.
WITH paid AS (
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
WHERE q.tx IS NULL OR q.tx > p.tx OR p.strangers > 0 OR p.payout <> coalesce(p.due, 0);
