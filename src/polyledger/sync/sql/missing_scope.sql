-- Keep what belongs to a scope: trades of its conditions, and conditions that its trades or its wallets had to do with.
DELETE FROM impact WHERE NOT ({impact_where});
DELETE FROM known_conditions WHERE NOT ({condition_where});
