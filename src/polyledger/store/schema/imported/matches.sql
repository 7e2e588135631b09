-- Which event on chain an imported row is: found by transaction, wallet, token, side, shares and collateral, as far as
-- the row has them, each event used once. Built aside and swapped in; never part of imported.trades. The last three
-- columns are those of the row, so that sums need no join of many millions of rows.
CREATE TABLE imported.matches (
    trade BIGINT NOT NULL,
    tx BIGINT,                        -- of the fill in chain.fills: the row is a duplicate of it; null for a receipt
    log_index INTEGER NOT NULL,
    token INTEGER NOT NULL,
    file INTEGER NOT NULL,
    identity INTEGER NOT NULL,
    volume BIGINT NOT NULL            -- collateral; 0 for a maker leg
);
