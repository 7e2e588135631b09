-- Surrogate keys of condition ids.
CREATE TABLE dim.conditions (
    condition INTEGER NOT NULL,
    condition_id BLOB NOT NULL
);
