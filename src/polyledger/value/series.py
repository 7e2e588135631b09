"""A wallet over time: cash, realized profit, coverage and bounds at the end of every day or week.

There is one set of rules for what positions are worth, the views of the ledger. Here they are put to many moments at
once: every moment at which something happened to the wallet stands in the ledger as an account of its own, and what a
day changed is what those accounts differ by (store/substitution.py puts them in the place of the ledger's).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from polyledger.domain.errors import InvariantError, UsageError
from polyledger.domain.periods import Period
from polyledger.domain.scope import moment_text
from polyledger.store.database import Database
from polyledger.store.moments import moment_of
from polyledger.store.sql import script
from polyledger.store.substitution import substituted
from polyledger.value.standings import ADDITIVE
from polyledger.value.wallets import figures

Document = dict[str, Any]

_DAY: Final = 86_400
SPANS: Final = {"day": (_DAY, 0), "week": (7 * _DAY, 4 * _DAY)}
"""Seconds of a span, and when the first one began: 1970-01-05 was a Monday."""
_CHANGES: Final = ("realized_pnl", "cash_flow", "volume")
_TABLES: Final = {
    "book.tail_events": "SELECT CAST(0 AS BIGINT) AS tx, account, token, shares, cash, bought, sold, volume, fills, "
    "transferred FROM series_states",
    "book.holdings_base": "SELECT * FROM book.holdings_base WHERE false",
    "book.imported_events": "SELECT * FROM book.imported_events WHERE false",
    "book.movement_events": "SELECT * FROM book.movement_events WHERE false",
    "book.token_facts": "SELECT token, condition, outcome_index, numerator, denominator FROM series_states",
    "book.condition_facts": "SELECT * FROM series_facts",
    "book.neg_risk_groups": "SELECT neg_risk_market, bool_or(numerators IS NOT NULL AND numerators[1] > 0) AS yes_won, "
    "bool_and(numerators IS NOT NULL OR NOT is_there) AS all_resolved, "
    "coalesce(max(CASE WHEN category <> 'Uncategorized' THEN category END), 'Uncategorized') AS category "
    "FROM series_facts WHERE neg_risk_market IS NOT NULL GROUP BY neg_risk_market",
    "book.group_cash": "SELECT account, neg_risk_market, cash FROM series_groups",
    "book.accounts_aside": "SELECT CAST(0 AS INTEGER) AS account WHERE false",
}


def wallet_series(database: Database, account: int, whole: Document, span: str) -> list[Document]:
    """One W object per day or week, without categories, from the wallet's first to the end of the ledger.

    Each is the wallet as of the end of its span, in full days or weeks (from Monday) of UTC; ``from`` is its first
    second, and ``change`` what it brought of cash, volume and realized profit. What has no time counts in the last.

    Args:
        database: the ledger, of a period perhaps.
        account: the wallet's key.
        whole: its figures, which the last row must equal.
        span: day or week.

    Raises:
        UsageError: another span.
        InvariantError: the last row is not the wallet's figures.
    """
    if span not in SPANS:
        raise UsageError(f"There is no series by {span!r}", f"Choose one of {', '.join(SPANS)}")
    seconds, offset = SPANS[span]
    with database.single() as ledger:
        last = (moment_of(ledger, Period()).timestamp - offset) // seconds
        given = {"account": int(account), "span": seconds, "offset": offset, "last": last}
        with ledger.reading() as cursor:
            for name in ("series_events", "series_states"):
                for statement in script("polyledger.value", name).format(**given).split(";\n"):
                    if statement.strip():
                        cursor.execute(statement).fetchall()
        with substituted(ledger, _TABLES) as moments:
            rows = moments.records(script("polyledger.value", "series_sums"))
    found = list(_rows(rows, last, seconds, offset))
    shown = {name: whole[name] for name in figures([])}
    if found and {name: found[-1][name] for name in shown} != shown:
        raise InvariantError(
            f"the series of wallet {whole['wallet']} ends at {found[-1]['realized_pnl']}, its profit is "
            f"{whole['realized_pnl']}",
            "Report this with the output of 'polyledger verify'",
        )
    return found


def _rows(rows: list[Document], last: int, seconds: int, offset: int) -> Iterator[Document]:
    changes = {row["bucket"]: {name: int(row[name]) for name in ADDITIVE} for row in rows}
    if not changes:
        return
    sums = dict.fromkeys(ADDITIVE, 0)
    nothing = dict(sums)
    for bucket in range(min(changes), max(last, *changes) + 1):
        change = changes.get(bucket, nothing)
        sums = {name: sums[name] + change[name] for name in ADDITIVE}
        changed = figures([change])
        yield {
            "from": moment_text(bucket * seconds + offset),
            **figures([sums]),
            "change": {name: changed[name] for name in _CHANGES},
        }
