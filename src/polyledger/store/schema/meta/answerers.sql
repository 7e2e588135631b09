-- Which enabled source can be asked about which kind of key (token, market_id, slug, transaction). A run writes it anew
-- from its settings (store/attribution.py): a key is unknown to all sources once each of these was asked and had nothing.
CREATE TABLE meta.answerers (kind VARCHAR NOT NULL, source VARCHAR NOT NULL);
