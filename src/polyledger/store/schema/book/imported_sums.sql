-- Imported trades counted by file, standing and what they mean (see book.imported_rows). Rebuilt by
-- store/attribution.py.
CREATE TABLE book.imported_sums (
    file INTEGER NOT NULL,
    link BIGINT NOT NULL,
    standing UTINYINT NOT NULL,
    trades BIGINT NOT NULL,
    volume BIGINT NOT NULL            -- each match once: maker legs have none, a row without a role counts
);
