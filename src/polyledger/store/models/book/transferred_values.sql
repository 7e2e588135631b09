-- What the net shares that a wallet received by plain transfers pay in resolved conditions, floored per token.
CREATE VIEW book.transferred_values AS
SELECT h.account, h.token, t.condition,
       CAST(CASE WHEN h.transferred >= 0 THEN CAST(h.transferred AS HUGEINT) * t.numerator // t.denominator
                 ELSE -((CAST(-h.transferred AS HUGEINT) * t.numerator + t.denominator - 1) // t.denominator) END AS BIGINT)
           AS transferred_value
FROM (
    SELECT account, token, CAST(sum(transferred) AS BIGINT) AS transferred
    FROM (
        SELECT account, token, transferred FROM book.tail_events WHERE transferred <> 0
        UNION ALL
        SELECT account, token, transferred FROM book.holdings_base WHERE transferred <> 0
    ) AS parts
    GROUP BY account, token
) AS h
JOIN book.token_facts AS t ON t.token = h.token
WHERE t.denominator IS NOT NULL AND h.account NOT IN (SELECT account FROM book.accounts_aside);
