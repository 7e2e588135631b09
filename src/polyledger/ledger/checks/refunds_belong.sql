-- Each FeeRefunded belongs to a fill with its order hash in its transaction, goes to that wallet, and leaves the net fee.
SELECT '0x' || lower(hex(x.hash)) AS subject,
       'log ' || CAST(r.log_index AS VARCHAR) || ': a fee refund that fits no fill' AS detail
FROM chain.fee_refunds AS r
JOIN chain.transactions AS x ON x.tx = r.tx
WHERE NOT EXISTS (
    SELECT 1 FROM chain.fills AS f
    WHERE f.tx = r.tx AND f.order_hash = r.order_hash AND f.wallet = r.recipient
      AND f.fee - r.refund = r.fee_charged);
