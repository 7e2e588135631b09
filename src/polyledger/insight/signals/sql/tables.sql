-- What rules have found. Made when the first rule is evaluated, so that ledgers of before go on as they are.
CREATE SCHEMA IF NOT EXISTS insight;
-- One row per rule, as it was defined then, and fill. state: fired; awaiting (what the rule asks about its market is not
-- known yet: looked at again when it is); voided (a reorg took the fill back).
CREATE TABLE IF NOT EXISTS insight.signals (
    rule VARCHAR NOT NULL,
    definition VARCHAR NOT NULL,      -- hash of what the rule said
    tx BIGINT NOT NULL,
    log_index INTEGER NOT NULL,
    account INTEGER NOT NULL,
    token INTEGER NOT NULL,
    condition INTEGER,
    side UTINYINT NOT NULL,
    shares BIGINT NOT NULL,
    size BIGINT NOT NULL,             -- USDC of the fill net of leftover, before fees
    block_time BIGINT NOT NULL,
    state VARCHAR NOT NULL,
    found_by VARCHAR NOT NULL,        -- sync, replay
    why VARCHAR NOT NULL,             -- JSON: what each criterion asked and found, as of the day of the fill
    run_id VARCHAR NOT NULL,
    found_at TIMESTAMP NOT NULL
);
-- Which scanned blocks a rule, as it is defined, was evaluated on; scope as in meta.intervals. What was scanned since is new.
CREATE TABLE IF NOT EXISTS insight.evaluated_blocks (
    definition VARCHAR NOT NULL,
    scope VARCHAR NOT NULL,
    from_block BIGINT NOT NULL,
    to_block BIGINT NOT NULL
);
-- What all wallets together were like when a day began, kept for the last days: priors as JSON, and per ranking and category
-- ('' for totals) the figures of all that are ranked, as doubles, signed so that smaller is better. It holds while basis does.
CREATE TABLE IF NOT EXISTS insight.day_ranks (
    day BIGINT NOT NULL,              -- since 1970-01-01, UTC
    basis VARCHAR NOT NULL,
    ranking VARCHAR NOT NULL,
    category VARCHAR NOT NULL,
    content BLOB NOT NULL
);
-- What the last fills were like then: if a reorg has put others in their place, their blocks are evaluated again.
CREATE TABLE IF NOT EXISTS insight.evaluated_fills (
    definition VARCHAR NOT NULL,
    upto BIGINT NOT NULL,             -- the block of the last fill
    last_fills VARCHAR NOT NULL       -- a digest of the fills of the last thousand blocks
);
