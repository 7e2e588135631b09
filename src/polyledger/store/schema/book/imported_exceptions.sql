-- Imported rows that are no fill on chain and of which something is known even so. Rebuilt by store/attribution.py.
CREATE TABLE book.imported_exceptions (
    trade BIGINT NOT NULL,
    unconfirmed BOOLEAN NOT NULL,     -- everything was scanned where it lies
    tracing UTINYINT NOT NULL         -- how far its transaction leads, see book.imported_rows
);
