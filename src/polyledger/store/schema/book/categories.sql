-- The category table in force: exact tag slugs in order.
CREATE TABLE book.categories (position INTEGER NOT NULL, tag VARCHAR NOT NULL, category VARCHAR NOT NULL);
