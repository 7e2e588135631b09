-- Imported trades counted by file and set of ids, whatever they mean. Brought up to date by store/attribution.py for
-- files that have got more or fewer rows.
CREATE TABLE book.imported_bases (
    file INTEGER NOT NULL,
    identity INTEGER NOT NULL,
    step UTINYINT NOT NULL,           -- 1 where the row names a transaction, else 0
    trades BIGINT NOT NULL,
    volume BIGINT NOT NULL            -- each match once: maker legs have none, a row without a role counts
);
