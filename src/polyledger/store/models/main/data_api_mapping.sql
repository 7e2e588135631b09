-- What data_api says each token is, with the verdict of the proof and the answer it rests on.
CREATE VIEW data_api_mapping AS
SELECT token_id, condition_id, outcome_index, outcome, verdict, observed_at, evidence
FROM book.source_mapping WHERE source = 'data_api';
