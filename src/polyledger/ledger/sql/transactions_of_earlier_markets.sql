-- Transactions about neg-risk markets or tokens whose preparation the ledger does not have.
SELECT '0x' || lower(hex(x.hash)) AS subject
FROM chain.transactions AS x
WHERE x.tx IN (
    SELECT c.tx FROM chain.conversions AS c
    WHERE c.neg_risk_market NOT IN (SELECT neg_risk_market FROM chain.neg_risk_markets)
    UNION
    SELECT s.tx FROM chain.share_transfers AS s JOIN dim.tokens AS t ON t.token = s.token WHERE t.condition IS NULL);
