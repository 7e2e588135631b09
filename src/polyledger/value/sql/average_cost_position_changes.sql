SELECT p.tx, p.log_index, p.kind, CAST(p.stakeholder AS BIGINT) AS stakeholder, CAST(p.condition AS BIGINT) AS condition,
       p.amount, c.role = 'neg_risk_adapter' AS by_adapter
FROM chain.position_changes AS p JOIN dim.contracts AS c ON c.account = p.contract;
