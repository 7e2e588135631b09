-- Keys that every source that could know them was asked about, and none did in a way that proof let stand; and keys
-- whose last try has passed. An answer of the wrong shape is no answer. Rebuilt by store/attribution.py.
CREATE TABLE book.exhausted_keys (
    kind VARCHAR NOT NULL,            -- token, market_id, slug, transaction
    lookup_key VARCHAR NOT NULL,
    found BOOLEAN NOT NULL            -- a source has the key
);
