"""The ledger of a period: as it stood at a moment, and without what was settled before another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from polyledger.domain.errors import UsageError
from polyledger.domain.periods import Period
from polyledger.domain.scope import moment_text
from polyledger.store.database import Database
from polyledger.store.scope_filters import first_block
from polyledger.store.substitution import substituted

# Who is no wallet is known from all that is stored: an operator was none before his role was granted either.
_TIMELESS: Final = ("book.accounts_aside", "book.accounts_outside", "book.accounts_unscanned")
# Sums up to a later block, and what was fitted to all of the ledger.
_OF_THE_PRESENT: Final = "'holdings_upto', 'skill_priors', 'skill_priors_fills'"


@dataclass(frozen=True, slots=True)
class Moment:
    """The last block that counts, and the time of the last stored one that is not later (seconds, UTC)."""

    block: int
    timestamp: int


@contextmanager
def in_period(database: Database, period: Period) -> Iterator[Database]:
    """The ledger of a period; the ledger itself where nothing limits it.

    As of a moment, no later event has happened, no later resolution is known, and imported trades without a time are
    left out. What markets are called, and which tokens are theirs, is known from today.

    Raises:
        UsageError: the moment lies before everything that is stored.
    """
    if period.is_everything:
        yield database
        return
    facts = _facts_until(database, moment_of(database, period)) if period.ends else {}
    views = {} if period.since is None else _settled_since(period.since)
    if period.ends:
        views["book.tail_events"] = "SELECT * FROM book.wallet_events"  # all of them: nothing is compacted
    with substituted(database, facts, views, _TIMELESS) as then:
        yield then


def moment_of(database: Database, period: Period) -> Moment:
    """The end of a period in the ledger; without one, the last stored block.

    Raises:
        UsageError: the moment lies before everything that is stored.
    """
    with database.reading() as cursor:
        block = period.block
        if block is None and period.until is not None:
            block = first_block(cursor, period.until + 1) - 1
        found = cursor.execute(
            "SELECT number, timestamp FROM chain.blocks WHERE number <= coalesce(?, number) "
            "ORDER BY number DESC LIMIT 1",
            [block],
        ).fetchall()
        if not found and period.until is not None and block is not None and _has_imports(cursor, period.until):
            return Moment(block, period.until)
        if not found and period.ends:
            raise UsageError(f"This ledger has nothing {period.text()}", _beginning(cursor))
    number, timestamp = found[0] if found else (0, 0)
    return Moment(int(number) if block is None else block, int(timestamp))


def period_document(database: Database, period: Period) -> dict[str, Any]:
    """What documents say of the period they are about: {"period": {"since", "as_of", "block"}}, or nothing."""
    if period.is_everything:
        return {}
    end = moment_of(database, period) if period.ends else None
    return {
        "period": {
            "since": None if period.since is None else moment_text(period.since),
            "as_of": None if end is None else moment_text(end.timestamp if period.until is None else period.until),
            "block": None if end is None else end.block,
        }
    }


def _has_imports(cursor: Any, until: int) -> bool:
    """Whether imported trades, or what a service listed of a wallet, go back so far."""
    return bool(
        cursor.execute(
            "SELECT 1 FROM imported.trades WHERE timestamp <= $1 UNION ALL "
            "SELECT 1 FROM imported.movements WHERE timestamp <= $1 LIMIT 1",
            [until],
        ).fetchall()
    )


def _beginning(cursor: Any) -> str:
    rows = cursor.execute("SELECT timestamp FROM chain.blocks ORDER BY number LIMIT 1").fetchall()
    return f"It begins at {moment_text(int(rows[0][0]))}" if rows else "Fill it with 'polyledger sync'"


def _facts_until(database: Database, end: Moment) -> dict[str, str]:
    """What takes the place of facts that came later."""
    limit = (end.block + 1) << 16
    tables = {
        f"chain.{name}": f"SELECT * FROM chain.{name} WHERE tx < {limit}"
        for (name,) in database.query(
            "SELECT DISTINCT table_name FROM duckdb_columns() WHERE schema_name = 'chain' AND column_name = 'tx'"
        )
    }
    return tables | {
        "chain.blocks": f"SELECT * FROM chain.blocks WHERE number <= {end.block}",
        "imported.trades": f"SELECT * FROM imported.trades WHERE timestamp <= {end.timestamp}",
        "book.movement_events": f"SELECT * FROM book.movement_events WHERE timestamp <= {end.timestamp}",
        "meta.intervals": f"SELECT * REPLACE (least(to_block, {end.block}) AS to_block) FROM meta.intervals "
        f"WHERE from_block <= {end.block}",
        "meta.settings": f"SELECT * FROM meta.settings WHERE name NOT IN ({_OF_THE_PRESENT})",
        "book.imported_sums": "SELECT file, link, standing, count(*) AS trades, "
        "CAST(sum(CASE WHEN role = 0 THEN 0 ELSE coalesce(collateral, 0) END) AS BIGINT) AS volume "
        f"FROM book.imported_rows WHERE timestamp <= {end.timestamp} GROUP BY file, link, standing",
        "book.claimed_resolutions": "SELECT * FROM book.claimed_resolutions "
        f"WHERE coalesce(resolved_at, first_claimed) <= {end.timestamp}",
        "book.holdings_base": "SELECT * FROM book.holdings_base WHERE false",
        "book.group_cash_base": "SELECT * FROM book.group_cash_base WHERE false",
    }


def _settled_since(since: int) -> dict[str, str]:
    """Views without the conditions that were settled earlier, and without the groups that were so in full."""
    earlier = f"SELECT condition FROM book.settled_times WHERE settled_at < {since}"
    return {
        "book.all_holdings": "SELECT * FROM {whole} WHERE token NOT IN ("
        f"SELECT token FROM book.token_facts WHERE condition IN ({earlier}))",
        "book.transferred_values": f"SELECT * FROM {{whole}} WHERE condition NOT IN ({earlier})",
        "book.group_cash": "SELECT * FROM {whole} WHERE neg_risk_market NOT IN ("
        "SELECT q.neg_risk_market FROM chain.neg_risk_questions AS q "
        "LEFT JOIN book.settled_times AS s ON s.condition = q.condition "
        f"GROUP BY q.neg_risk_market HAVING bool_and(coalesce(s.settled_at < {since}, false)))",
    }
