-- What the synthetic fills are about: 98 % of tokens linked, 95 % of conditions named, 85 % resolved, a third in
-- neg-risk groups of five. Keys of wallets follow those of the contracts.
INSERT INTO dim.accounts
SELECT CAST(1000 + i AS INTEGER), unhex(left(sha256('wallet ' || i), 40)) FROM range({wallets}) AS t(i);

INSERT INTO dim.conditions
SELECT CAST(i AS INTEGER), unhex(sha256('condition ' || i)) FROM range({conditions}) AS t(i);

INSERT INTO dim.tokens
SELECT CAST(i AS INTEGER), unhex(sha256('token ' || i)), lpad(CAST(i AS VARCHAR), 77, '7'),
       CASE WHEN i // 2 % 50 < 49 THEN CAST(i // 2 AS INTEGER) END,
       CASE WHEN i // 2 % 50 < 49 THEN CAST(i % 2 AS INTEGER) END,
       CASE WHEN i // 2 % 50 < 49 THEN (SELECT account FROM dim.contracts WHERE role = 'collateral' LIMIT 1) END
FROM range(2 * {conditions}) AS t(i);

INSERT INTO dim.neg_risk_markets
SELECT CAST(i AS INTEGER), unhex(sha256('group ' || i)) FROM range({conditions} // 15) AS t(i);

INSERT INTO chain.preparations
SELECT CAST(50000000 AS BIGINT) * 65536 + i, 0, CAST(i AS INTEGER), 1, unhex(sha256('question ' || i)), 2
FROM range({conditions}) AS t(i);

INSERT INTO chain.neg_risk_questions
SELECT CAST(50000000 AS BIGINT) * 65536 + i, 1, CAST(i // 5 AS INTEGER), unhex(sha256('question ' || i)), CAST(i % 5 AS INTEGER),
       CAST(i AS INTEGER)
FROM range({conditions} // 15 * 5) AS t(i);

INSERT INTO chain.resolutions
SELECT CAST(90000000 AS BIGINT) * 65536 + i, 0, CAST(i AS INTEGER), 1, NULL, 2,
       CASE WHEN i % 40 = 7 THEN [1, 1] WHEN i % 5 < 2 THEN [1, 0] ELSE [0, 1] END
FROM range({conditions}) AS t(i) WHERE i % 100 < 85;

INSERT INTO claim.events BY NAME
SELECT 'gamma' AS source, 'event ' || i AS event_id, 'Event ' || i AS title, 'event-' || i AS slug,
       ['Politics', 'Sports', 'Crypto', 'Economics', 'Culture', 'Science', 'Weather', 'World'][1 + i % 8] AS category,
       [] AS tags, 1 AS evidence_id, TIMESTAMP '2026-01-01' AS observed_at
FROM range({conditions} // 5 + 1) AS t(i);

INSERT INTO claim.markets BY NAME
SELECT 'gamma' AS source, CAST(i AS INTEGER) AS condition, CAST(500000 + i AS VARCHAR) AS market_id,
       'Question ' || i || '?' AS question, 'question-' || i AS slug, ['Yes', 'No'] AS outcomes,
       'event ' || i // 5 AS event_id, [] AS tags, false AS neg_risk, false AS closed, 'proven' AS verdict,
       1 AS evidence_id, TIMESTAMP '2026-01-01' AS observed_at
FROM range({conditions}) AS t(i) WHERE i % 20 < 19;
