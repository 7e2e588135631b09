UPDATE chain.share_transfers AS s SET plain = true
FROM batch_plain AS p
WHERE p.kind = 'share' AND s.tx = p.tx AND s.log_index = p.log_index AND s.item = p.item;
