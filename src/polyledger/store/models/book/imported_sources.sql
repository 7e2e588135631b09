-- What an imported file is called as a source: file:NAME, or the name itself of what was fetched for a wallet.
CREATE VIEW book.imported_sources AS
SELECT file, CASE WHEN name LIKE 'data_api:%' THEN name ELSE 'file:' || name END AS source FROM imported.files;
