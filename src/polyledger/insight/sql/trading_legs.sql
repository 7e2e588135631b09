-- The own fills of every account in tokens that have a condition, with what skill is measured by: on chain (tx set) and
-- imported where the chain was not scanned (timestamp set). Shares and USDC in millionths; prices, and what follows from
-- them, are estimates, in doubles.
CREATE OR REPLACE TEMP VIEW trading_legs AS
SELECT account, tx, timestamp, condition, outcome_index, end_tx, end_time, side, volume, bought, early, late,
       CASE WHEN side = 0 THEN CAST(volume AS DOUBLE) ELSE 0 END AS paid,
       CAST(shares AS DOUBLE) AS shares,
       CAST(collateral AS DOUBLE) AS staked,
       shares * (price - payout) * (price - payout) AS squared_error,
       shares * price * (1 - price) AS expected_error,
       CASE WHEN side = 0 THEN shares * closing_price - collateral
            ELSE collateral - shares * closing_price END AS closing_gain
FROM (
    SELECT f.wallet AS account, f.tx, CAST(NULL AS BIGINT) AS timestamp, t.condition, t.outcome_index, t.end_tx,
           t.end_time, f.tx < t.early_until AS early, f.tx >= t.late_from AS late, f.side, f.shares, f.collateral,
           t.payout, t.closing_price, f.collateral / f.shares AS price,
           CASE WHEN f.side = 0 THEN f.collateral - f.leftover ELSE f.collateral END AS volume,
           CASE WHEN f.side = 0 THEN f.shares - CASE WHEN f.layout = 1 THEN f.fee - f.fee_refund ELSE 0 END
                ELSE f.leftover - f.shares END AS bought
    FROM chain.fills AS f
    JOIN traded_tokens AS t ON t.token = f.token
    WHERE f.shares > 0
    UNION ALL
    SELECT e.account, CAST(NULL AS BIGINT), e.timestamp, t.condition, t.outcome_index, t.end_tx, t.end_time,
           e.timestamp <= t.early_end, e.timestamp >= t.late_start, CASE WHEN e.shares > 0 THEN 0 ELSE 1 END,
           abs(e.shares), e.volume, t.payout, t.closing_price, e.volume / abs(e.shares), e.volume, e.shares
    FROM book.imported_events AS e
    JOIN traded_tokens AS t ON t.token = e.token
    WHERE e.shares <> 0
) AS legs
