-- ERC-1155 TransferSingle and TransferBatch, one row per item. `plain` marks a transfer that no protocol event explains:
-- somebody sent shares to somebody. `by_contract` = a protocol contract moved them (the event's operator), so an event
-- must explain them.
CREATE TABLE chain.share_transfers (
    tx BIGINT NOT NULL,
    log_index INTEGER NOT NULL,
    item INTEGER NOT NULL,
    contract INTEGER NOT NULL,
    sender INTEGER NOT NULL,
    recipient INTEGER NOT NULL,
    token INTEGER NOT NULL,
    amount BIGINT NOT NULL,
    plain BOOLEAN NOT NULL,
    by_contract BOOLEAN NOT NULL
);
