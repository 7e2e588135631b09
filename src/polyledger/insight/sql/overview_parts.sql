-- Every wallet's figures per category, once, for the sums of an overview.
CREATE OR REPLACE TEMP TABLE overview_parts AS SELECT * FROM book.wallet_categories;
