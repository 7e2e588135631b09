"""The watchlist as a document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from polyledger.domain.scope import moment_text
from polyledger.insight.trading.brokers import is_stopped
from polyledger.insight.watchlist.entries import STATES, Entry
from polyledger.insight.watchlist.journal import read
from polyledger.insight.watchlist.strategies import Strategies, overlapping

Document = dict[str, Any]
_TIMES = ("opened_at", "entered_at", "exited_at")


def watchlist_document(
    workspace: Path, strategies: Strategies, *, strategy: str | None = None, state: str | None = None
) -> Document:
    """The polyledger.watchlist/1 document: what the log comes to, the youngest change first.

    Raises:
        WorkspaceError: the log is damaged.
    """
    held = read(workspace)
    chosen = [e for e in held.entries.values() if strategy in {None, e.strategy} and state in {None, e.state}]
    chosen.sort(key=lambda entry: (-max(entry.opened_at, entry.entered_at or 0, entry.exited_at or 0), entry.id))
    return {
        "schema": "polyledger.watchlist/1",
        "changes": held.lines,
        "stopped": is_stopped(workspace),
        "states": {name: sum(entry.state == name for entry in chosen) for name in STATES},
        "overlaps": overlapping(strategies),
        "entries": [_entry(entry) for entry in chosen],
    }


def _entry(entry: Entry) -> Document:
    times = {name: None if (at := getattr(entry, name)) is None else moment_text(at) for name in _TIMES}
    return {"id": entry.id, **entry.plain(), **times}
