-- What clob says each token is, with the verdict of the proof and the answer it rests on.
CREATE VIEW clob_mapping AS
SELECT token_id, condition_id, outcome_index, outcome, verdict, observed_at, evidence
FROM book.source_mapping WHERE source = 'clob';
