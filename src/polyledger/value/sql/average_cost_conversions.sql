SELECT tx, log_index, CAST(stakeholder AS BIGINT) AS stakeholder, CAST(neg_risk_market AS BIGINT) AS neg_risk_market,
       no_indexes, amount
FROM chain.conversions;
