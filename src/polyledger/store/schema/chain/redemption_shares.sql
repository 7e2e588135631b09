-- The shares each redemption took, one row per outcome named by the event. The adapter's event states them; for
-- ConditionalTokens they are the burns directly before the event (the contract burns the whole balance).
CREATE TABLE chain.redemption_shares (
    tx BIGINT NOT NULL,
    log_index INTEGER NOT NULL,       -- of the redemption
    token INTEGER NOT NULL,
    amount BIGINT NOT NULL
);
