"""``watchlist.jsonl``: every change of every entry, appended; reading it gives the state.

A line is one event about one entry, whole: what happened, who triggered it, and the entry before and after. A process
that dies while it writes leaves a torn last line. The next one to write cuts it off, and does again what it was about.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from polyledger.domain.errors import WorkspaceError
from polyledger.insight.watchlist.entries import Entry

JOURNAL_FILE: Final = "watchlist.jsonl"
Document = dict[str, Any]


@dataclass
class State:
    """What the lines so far come to."""

    entries: dict[str, Entry] = field(default_factory=dict)
    seen: dict[str, set[str]] = field(default_factory=dict)
    """By entry: the keys of the signals that were taken up."""
    wallets: dict[str, dict[str, str]] = field(default_factory=dict)
    """By entry: signal for its outcome → wallet."""
    fills: list[Document] = field(default_factory=list)
    """What orders were filled with, in the order of the log."""
    orders: dict[str, dict[str, Document]] = field(default_factory=dict)
    """By entry: order id → the order as it stands."""
    lines: int = 0

    def apply(self, line: Document) -> None:
        """Take in one more line.

        Raises:
            ValueError: it does not go on from where the lines before it ended.
        """
        entry = Entry(**line["after"])
        known = self.entries.get(entry.id)
        if line["seq"] != self.lines + 1 or line["before"] != (None if known is None else known.plain()):
            raise ValueError("it does not follow from the lines before it")
        self.lines += 1
        self.entries[entry.id] = entry
        event = line["event"]
        if entry.order is not None:
            self.orders.setdefault(entry.id, {})[entry.order["id"]] = entry.order
        if event["kind"] == "signal":
            self.seen.setdefault(entry.id, set()).add(event["signal"])
            if event["for"]:
                self.wallets.setdefault(entry.id, {})[event["signal"]] = line["trigger"]["wallet"]
        elif event["kind"] == "withdrawn":
            self.wallets.get(entry.id, {}).pop(event["signal"], None)
        for fill in event.get("fills", ()):
            self.fills.append({**fill, "strategy": entry.strategy, "token": entry.token, "condition": entry.condition})


def read(workspace: Path) -> State:
    """The state that the log holds; empty without a log. A torn last line counts as not written.

    Raises:
        WorkspaceError: a line before the last is damaged, or does not follow from those before it.
    """
    state = State()
    for number, text in _whole_lines(workspace / JOURNAL_FILE):
        try:
            state.apply(json.loads(text))
        except (ValueError, KeyError, TypeError) as error:
            raise WorkspaceError(
                f"Line {number} of {workspace / JOURNAL_FILE} cannot be used ({error})",
                "Restore the file, or move it away: the watchlist is then built anew from the signals in the ledger",
            ) from error
    return state


def lines(workspace: Path) -> Iterator[Document]:
    """The lines as they stand, oldest first."""
    for _, text in _whole_lines(workspace / JOURNAL_FILE):
        yield json.loads(text)


def _whole_lines(file: Path) -> Iterator[tuple[int, bytes]]:
    if not file.exists():
        return
    with file.open("rb") as opened:
        for number, text in enumerate(opened, start=1):
            if text.endswith(b"\n"):
                yield number, text


class Journal:
    """The log, open for appending. One process at a time writes it: the one that holds the ledger."""

    def __init__(self, workspace: Path) -> None:
        self._path = workspace / JOURNAL_FILE
        self._cut_torn_line()

    def append(self, documents: Iterable[Document]) -> int:
        """Write changes down, on disk when this returns; how many."""
        text = [json.dumps(d, ensure_ascii=False, separators=(",", ":")) + "\n" for d in documents]
        if text:
            with self._path.open("ab") as file:
                file.write("".join(text).encode())
                file.flush()
                os.fsync(file.fileno())
        return len(text)

    def _cut_torn_line(self) -> None:
        if not self._path.exists():
            return
        with self._path.open("rb+") as file:
            content = file.read()
            whole = content.rfind(b"\n") + 1
            if whole < len(content):
                file.truncate(whole)
                file.flush()
                os.fsync(file.fileno())
