CREATE TEMP TABLE folded_group_cash AS
SELECT account, neg_risk_market, CAST(sum(cash) AS BIGINT) AS cash
FROM (
    SELECT account, neg_risk_market, cash FROM book.group_cash_base
    UNION ALL
    SELECT account, neg_risk_market, cash FROM book.conversion_cash WHERE tx > $upto AND tx <= $last
) AS parts
GROUP BY account, neg_risk_market;
