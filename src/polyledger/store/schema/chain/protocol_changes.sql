-- Splits, merges, redemptions and conversions of the Protocol V2 modules, kept as stated. Their books are not drawn up.
CREATE TABLE chain.protocol_changes (
    tx BIGINT NOT NULL,
    log_index INTEGER NOT NULL,
    contract INTEGER NOT NULL,
    kind UTINYINT NOT NULL,           -- 0 split, 1 merge, 2 redemption, 3 conversion, 4 horizontal split, 5 horizontal merge
    initiator INTEGER NOT NULL,
    recipient INTEGER NOT NULL,
    second_recipient INTEGER,
    subject BLOB NOT NULL,            -- a condition (bytes31), an event (bytes29), or for redemptions a position id
    amount BIGINT NOT NULL
);
