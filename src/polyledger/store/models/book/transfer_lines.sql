-- What the token contracts say moved: two lines per ERC-1155 item and per ERC-20 transfer, in the columns of book.lines.
-- Mints and burns of pUSD stay inside its clearing account.
CREATE VIEW book.transfer_lines AS
WITH both_sides AS (SELECT 1 AS sign UNION ALL SELECT -1 AS sign)
SELECT tx, log_index, CASE WHEN sign = 1 THEN recipient ELSE sender END AS account, token,
       CAST(NULL AS UTINYINT) AS currency, sign * amount AS amount, plain
FROM chain.share_transfers CROSS JOIN both_sides
UNION ALL
SELECT c.tx, c.log_index,
       CASE WHEN k.role = 'collateral_token'
            THEN CASE WHEN sign = 1 THEN CASE WHEN c.recipient = p.zero THEN c.contract ELSE c.recipient END
                      ELSE CASE WHEN c.sender = p.zero THEN c.contract ELSE c.sender END END
            ELSE CASE WHEN sign = 1 THEN c.recipient ELSE c.sender END END,
       NULL, m.currency, sign * c.amount, c.plain
FROM chain.collateral_transfers AS c
JOIN book.currencies AS m ON m.account = c.contract
JOIN dim.contracts AS k ON k.account = c.contract
CROSS JOIN book.protocol AS p
CROSS JOIN both_sides;
