-- Cash of neg-risk conversions by account and neg-risk market.
CREATE VIEW book.conversion_cash AS
SELECT tx, account, neg_risk_market, amount AS cash
FROM book.conversion_lines
WHERE currency = 1;
