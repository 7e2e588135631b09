-- What each set of ids of imported rows means now: one row per set. A token means what derivation proves of it; without
-- that, the condition the set names; without one, the condition that market claims give its market id or slug. Rebuilt
-- aside by store/attribution.py whenever claims, proofs or imports have changed: sets are few where trades are many.
CREATE TABLE book.identity_links (
    identity INTEGER NOT NULL,
    token INTEGER,
    condition INTEGER,
    outcome_index INTEGER,
    state VARCHAR NOT NULL,           -- attributed, pending, conflict, unfillable
    reason VARCHAR,
    verdict VARCHAR,                  -- proven (a token is linked to the condition by derivation), claimed
    position INTEGER NOT NULL         -- the key of its holdings: its token, else (and where its ids contradict each
                                      -- other) a negative number, shared by sets of the same condition and outcome
);
