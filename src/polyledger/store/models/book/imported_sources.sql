-- What an imported file is called as a source: file:NAME, or the name itself of what a service listed of a wallet or an account.
CREATE VIEW book.imported_sources AS
SELECT file, CASE WHEN name LIKE 'data_api:0x%' OR name LIKE 'clob:0x%' THEN name ELSE 'file:' || name END AS source FROM imported.files;
