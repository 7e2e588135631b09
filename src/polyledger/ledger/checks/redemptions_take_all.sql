-- redeemPositions burns the whole balance of every outcome it names: right after it the redeemer holds none of them.
-- Contracts, and wallets for whom an adapter redeemed, are left out: what was taken is stated by other events.
WITH named AS (
    SELECT r.tx, r.log_index, r.redeemer AS account, t.token
    FROM chain.redemptions AS r
    JOIN dim.contracts AS c ON c.account = r.contract AND c.role = 'conditional_tokens'
    JOIN dim.tokens AS t ON t.condition = r.condition AND t.collateral = r.collateral
        AND list_contains(r.outcomes, t.outcome_index)
    WHERE r.via IS NULL AND r.redeemer NOT IN (SELECT account FROM dim.contracts)
),
pairs AS (SELECT DISTINCT account, token FROM named),
moves AS (
    SELECT s.tx, s.log_index, p.account, p.token, s.amount AS amount, false AS redeemed
    FROM chain.share_transfers AS s JOIN pairs AS p ON p.token = s.token AND p.account = s.recipient
    UNION ALL
    SELECT s.tx, s.log_index, p.account, p.token, -s.amount, false
    FROM chain.share_transfers AS s JOIN pairs AS p ON p.token = s.token AND p.account = s.sender
    UNION ALL
    SELECT tx, log_index, account, token, 0, true FROM named
),
running AS (
    SELECT tx, log_index, account, token, redeemed,
           sum(amount) OVER (PARTITION BY account, token ORDER BY tx, log_index
                             ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS balance
    FROM moves
)
SELECT '0x' || lower(hex(x.hash)) AS subject,
       'log ' || CAST(r.log_index AS VARCHAR) || ': after redeeming, 0x' || lower(hex(a.address)) || ' still has '
           || CAST(r.balance AS VARCHAR) || ' micro-shares of token ' || t.token_id AS detail
FROM running AS r
JOIN chain.transactions AS x ON x.tx = r.tx
JOIN dim.accounts AS a ON a.account = r.account
JOIN dim.tokens AS t ON t.token = r.token
WHERE r.redeemed AND r.balance <> 0;
