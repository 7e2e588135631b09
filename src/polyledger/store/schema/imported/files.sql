-- Files of trades that were imported, and wallets' trades fetched from the Data API (name data_api:0x…). The content is
-- never changed; `columns` says which of their columns was read as what (JSON: ours → theirs).
CREATE TABLE imported.files (
    file INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    sha256 BLOB NOT NULL,             -- of the file as it lies on disk: the same content is imported once
    columns VARCHAR NOT NULL,
    relative_error DOUBLE NOT NULL,   -- how far its amounts may be off, relative to their size: 0 unless short floats
    rows BIGINT NOT NULL,             -- rows read, rejected ones included
    rejected BIGINT NOT NULL,
    run_id VARCHAR NOT NULL,
    imported_at TIMESTAMP NOT NULL
);
