-- Every log of the protocol's contracts was understood.
SELECT '0x' || lower(hex(x.hash)) AS subject,
       'log ' || CAST(u.log_index AS VARCHAR) || ' of 0x' || lower(hex(a.address)) || ': ' || u.reason AS detail
FROM chain.unknown_logs AS u
JOIN chain.transactions AS x ON x.tx = u.tx
JOIN dim.accounts AS a ON a.account = u.contract;
