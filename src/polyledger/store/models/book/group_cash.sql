-- Conversion cash per account and neg-risk market, base and tail.
CREATE VIEW book.group_cash AS
SELECT account, neg_risk_market, CAST(sum(cash) AS BIGINT) AS cash
FROM (
    SELECT account, neg_risk_market, cash FROM book.group_cash_base
    UNION ALL
    SELECT account, neg_risk_market, cash FROM book.conversion_cash
    WHERE tx > (SELECT coalesce(max(CAST(value AS BIGINT)), -1) FROM meta.settings WHERE name = 'holdings_upto')
) AS parts
GROUP BY account, neg_risk_market;
