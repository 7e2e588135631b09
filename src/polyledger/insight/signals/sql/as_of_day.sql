-- What a wallet's trading had been like when the day {day} began: nothing that settled on that day or later counts.
CREATE OR REPLACE TEMP VIEW trading AS
SELECT account, category, condition, coalesce(settled_day < {day}, false) AS resolved, volume,
       CASE WHEN settled_day < {day} THEN realized_pnl ELSE 0 END AS realized_pnl, hit, tied,
       shares, squared_error, expected_error, closing_gain, staked
FROM signal_results
WHERE first_day < {day} {account}
