-- Holdings of wallets with what their tokens are and pay. held is what is there, missing what left without having come
-- in. settled and transferred_value are payouts of resolved conditions, floored per token as redemption does.
CREATE VIEW book.token_positions AS
SELECT h.account, h.token, t.condition, t.outcome_index,
       h.shares, h.cash, h.bought, h.sold, h.volume, h.fills, h.transferred,
       greatest(h.shares, 0) AS held,
       greatest(-h.shares, 0) AS missing,
       p.denominator IS NOT NULL AS resolved,
       CASE WHEN p.denominator IS NULL THEN 0
            ELSE CAST(greatest(h.shares, 0) AS HUGEINT) * p.numerator // p.denominator END AS settled,
       CASE WHEN p.denominator IS NULL OR h.transferred = 0 THEN 0
            ELSE sign(h.transferred) * (CAST(abs(h.transferred) AS HUGEINT) * p.numerator // p.denominator) END
           AS transferred_value
FROM book.holdings AS h
LEFT JOIN dim.tokens AS t ON t.token = h.token
LEFT JOIN book.payouts AS p ON p.condition = t.condition AND p.outcome_index = t.outcome_index
WHERE h.account NOT IN (SELECT account FROM book.accounts_aside);
