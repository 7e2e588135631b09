UPDATE chain.collateral_transfers AS c SET plain = true
FROM batch_plain AS p
WHERE p.kind = 'collateral' AND c.tx = p.tx AND c.log_index = p.log_index;
