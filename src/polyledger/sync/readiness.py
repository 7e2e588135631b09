"""Whether everything that had to be done was done: what stands between a ledger and a final result."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from polyledger.domain.intervals import Interval, difference
from polyledger.store import scopes
from polyledger.store.database import Database

Document = dict[str, Any]

_DUE: Final = "SELECT count(*) FROM meta.pending WHERE next_try <= ?"
_LAST_RUN: Final = (
    "SELECT run_id, state, message, finished_at FROM meta.runs ORDER BY started_at DESC, run_id DESC LIMIT 1"
)


def unfinished(database: Database, now: datetime | None = None) -> list[Document]:
    """Work that is required and not done, ``{"what", "detail"}`` each; empty when the ledger is as complete as it gets.

    What sources were asked and did not know is no unfinished work: coverage says how much that is.

    Args:
        database: the ledger.
        now: UTC; also count the keys that are due to be tried again by then.
    """
    found = _runs(database) + _blocks(database)
    due = int(database.query(_DUE, [now.replace(tzinfo=None)])[0][0]) if now is not None else 0
    if due:
        found.append(
            {"what": "keys to try again", "detail": f"{due:,} keys that nobody knew are to be asked again now"}
        )
    return found


def _runs(database: Database) -> list[Document]:
    rows = database.query(_LAST_RUN)
    imported = database.query("SELECT name, imported_at FROM imported.files ORDER BY imported_at DESC LIMIT 1")
    if not rows:
        detail = "no sync has run" if not imported else f"{imported[0][0]} was imported, and no sync has run since"
        return [{"what": "never synced", "detail": detail}]
    run_id, state, message, finished = rows[0]
    if state != "done":
        ended = "has not ended: it is running, or was killed" if state == "running" else f"ended {state}"
        detail = f"the last run ({run_id}) {ended}" + (f": {message}" if message else "")
        return [{"what": "run not complete", "detail": detail}]
    if imported and finished is not None and imported[0][1] > finished:
        detail = f"{imported[0][0]} was imported after the last run, so nobody was asked about what it lacks"
        return [{"what": "import not synced", "detail": detail}]
    return []


def _blocks(database: Database) -> list[Document]:
    """Holes between scanned blocks, where the ledger was not told to have them."""
    if database.setting(scopes.WINDOWS_SETTING) is not None:
        return []
    with database.reading() as cursor:
        done = scopes.done_at_all(cursor)
    if not done:
        return []
    holes = difference([Interval(done[0].first, done[-1].last)], done)
    if not holes:
        return []
    blocks = sum(hole.length for hole in holes)
    first = holes[0]
    detail = f"{blocks:,} blocks in {len(holes):,} holes, the first {first.first:,} … {first.last:,}"
    return [{"what": "blocks not scanned", "detail": detail}]
