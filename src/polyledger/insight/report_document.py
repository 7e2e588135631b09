"""Everything a report shows, of one state of the ledger: the polyledger.report/1 document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from polyledger.domain.categories import CategoryTable
from polyledger.domain.version import __version__
from polyledger.identity.conflicts import conflicts, count_conflicts
from polyledger.insight.exposure import exposure
from polyledger.insight.overview import SHOWN, overview
from polyledger.insight.skill import PACKAGE
from polyledger.ledger.verify import verify
from polyledger.store.database import Database
from polyledger.store.sql import script
from polyledger.sync.gaps import gaps
from polyledger.sync.readiness import unfinished
from polyledger.value.categories import categories
from polyledger.value.coverage import coverage
from polyledger.value.coverage_history import as_it_came, coverage_history

Document = dict[str, Any]
Progress = Callable[[dict[str, Any]], None]

CONFLICTS: Final = 12
QUARANTINES: Final = 30
KEYS: Final = 15
EXPOSED: Final = 15
SOURCES: Final = 60
RUNS: Final = 60
TAGS: Final = 12
_STEPS: Final = 10


def report_document(
    database: Database,
    table: CategoryTable,
    progress: Progress = lambda _event: None,
    *,
    following: Callable[[], Document | None] = lambda: None,
    wallets: int = SHOWN,
) -> Document:
    """The document. Its parts are the documents of their own commands, long lists cut with their full length beside.

    It says nothing of the moment it was made at: the same ledger gives the same report.

    Args:
        database: the ledger.
        table: the workspace's categories.
        progress: is told how far it is.
        following: makes the part about signals and what follows from them, `polyledger.insight.followed`.
        wallets: how many at each end.
    """
    step = _Steps(progress)
    whole = step("coverage by month", lambda: coverage(database, "month"))
    sources = step("coverage by source", lambda: coverage(database, "source"))
    parts: Document = {
        "schema": "polyledger.report/1",
        "version": __version__,
        "ledger": step("ledger", lambda: _ledger(database)),
        "unfinished": unfinished(database),
        "coverage": {key: value for key, value in whole.items() if key != "by"},
        "by_month": [_brief(group) for group in whole["by"]],
        "by_source": _largest([_brief(group) for group in sources["by"]], SOURCES),
        "as_it_came": step("what rows brought", lambda: as_it_came(database)),
        "history": _thinned(coverage_history(database), RUNS),
        "gaps": step("gaps", lambda: gaps(database, limit=KEYS)),
        "categories": step("categories", lambda: _categories(database, table)),
        "conflicts": step("conflicts", lambda: _conflicts(database)),
        "wallets": step("wallets", lambda: overview(database, wallets)),
        "exposure": step("exposure", lambda: _exposure(database)),
    }
    parts["following"] = step("signals", following)
    return parts | {"verify": verify(database, progress)}


class _Steps:
    """Tells how far the making is."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._done = 0

    def __call__(self, name: str, make: Callable[[], Any]) -> Any:
        self._progress({"stage": "report", "done": self._done, "total": _STEPS, "unit": "parts", "message": name})
        self._done += 1
        return make()


def _ledger(database: Database) -> Document:
    (row,) = database.arrow(script(PACKAGE, "overview_ledger")).to_pylist()
    runs = database.query(
        "SELECT run_id, state, started_at, finished_at FROM meta.runs ORDER BY started_at DESC, run_id DESC LIMIT 1"
    )
    last = None
    if runs:
        run_id, state, started, finished = runs[0]
        last = {"id": run_id, "state": state, "started": _iso(started), "finished": _iso(finished)}
    return {**row, "first_trade": _moment(row["first_trade"]), "last_trade": _moment(row["last_trade"]), "run": last}


def _brief(group: Mapping[str, Any]) -> Document:
    return {key: group[key] for key in ("key", "trades", "volume", "unconfirmed", "reasons")}


def _largest(groups: list[Document], limit: int) -> list[Document]:
    """The groups with most trades, in their order; the rest is what the whole has more."""
    kept = {group["key"] for group in sorted(groups, key=lambda group: -group["trades"]["total"])[:limit]}
    return [group for group in groups if group["key"] in kept]


def _thinned(entries: list[Document], limit: int) -> list[Document]:
    """At most so many entries, evenly over the list, the first and the last among them."""
    if len(entries) <= limit:
        return entries
    return [entries[round(place * (len(entries) - 1) / (limit - 1))] for place in range(limit)]


def _conflicts(database: Database) -> Document:
    found = conflicts(database, CONFLICTS)
    return {
        "total": count_conflicts(database),
        "conflicts": found["conflicts"],
        "quarantines_total": len(found["quarantines"]),
        "quarantines": found["quarantines"][:QUARANTINES],
    }


def _categories(database: Database, table: CategoryTable) -> Document:
    whole = categories(database, table, tags=TAGS)
    found = {key: whole[key] for key in ("uncategorized", "enrichment", "total")}
    return found | {"unknown_tags": [tag for tag in whole["unknown_tags"] if tag["uncategorized_conditions"]]}


def _exposure(database: Database) -> Document:
    whole = exposure(database)
    groups = len(whole["by_group"])
    return {**whole, "by_event": whole["by_event"][:EXPOSED], "by_group": whole["by_group"][:EXPOSED], "groups": groups}


def _moment(seconds: int | None) -> str | None:
    return None if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment.isoformat(timespec='seconds')}Z"
