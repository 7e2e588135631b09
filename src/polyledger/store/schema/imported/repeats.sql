-- Rows that say again what an earlier imported row says (same transaction and log index, or the same values in another
-- file): counted as duplicates, kept.
CREATE TABLE imported.repeats (
    trade BIGINT NOT NULL,
    first_trade BIGINT NOT NULL
);
