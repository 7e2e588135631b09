CREATE TABLE meta.format (version INTEGER NOT NULL, created_by VARCHAR NOT NULL);
