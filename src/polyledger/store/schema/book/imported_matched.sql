-- imported.matches counted by file, set of ids and token. Built with the matches, and again by store/attribution.py when
-- there are more or fewer of them.
CREATE TABLE book.imported_matched (
    file INTEGER NOT NULL,
    identity INTEGER NOT NULL,
    token INTEGER NOT NULL,
    of_receipt BOOLEAN NOT NULL,
    trades BIGINT NOT NULL,
    volume BIGINT NOT NULL
);
