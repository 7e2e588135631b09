-- Holdings of wallets with what their tokens are and pay. held is what is there, missing what left without having come
-- in. settled is the payout of resolved conditions, floored per token as redemption does; a product may need 128 bits,
-- but a share that pays all or nothing needs none.
CREATE VIEW book.token_positions AS
SELECT h.account, h.token, t.condition, t.outcome_index,
       h.shares, h.cash, h.bought, h.sold, h.net_bought, h.volume, h.fills, h.transferred,
       greatest(h.shares, 0) AS held,
       greatest(-h.shares, 0) AS missing,
       t.denominator IS NOT NULL AS resolved,
       CASE WHEN t.denominator IS NULL OR t.numerator = 0 OR h.shares <= 0 THEN 0
            WHEN t.numerator = t.denominator THEN h.shares
            ELSE CAST(CAST(h.shares AS HUGEINT) * t.numerator // t.denominator AS BIGINT) END AS settled
FROM book.all_holdings AS h
LEFT JOIN book.token_facts AS t ON t.token = h.token
WHERE h.account NOT IN (SELECT account FROM book.accounts_aside);
