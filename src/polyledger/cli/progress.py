"""Progress of a run on standard error: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from polyledger.cli.figures import count, seconds

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["ProgressReport"]

LINE_EVERY_SECONDS = 5.0


class ProgressReport:
    """Takes the events of ``Workspace.sync(progress=…)``: ``{"stage", "done", "total", "unit", "rate", …}``.

    A context manager; what is on the screen when it ends stays there. ``last`` is the newest event that said how far
    the run is; events may also carry a message only.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.last: Mapping[str, Any] | None = None
        self._quiet = quiet
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._printed: dict[str, float] = {}

    def __enter__(self) -> ProgressReport:
        if not self._quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn

            self._bars = Progress(
                TextColumn("{task.description:<12}"),
                BarColumn(bar_width=24),
                TextColumn("{task.percentage:>3.0f} %"),
                TextColumn("{task.fields[note]}"),
                console=Console(stderr=True, highlight=False),
                refresh_per_second=8,
            )
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def __call__(self, event: Mapping[str, Any]) -> None:
        if event.get("done") is not None:
            self.last = event
        if self._quiet or not _note(event):
            return
        if self._bars is not None:
            self._draw(self._bars, event)
        else:
            self._print(event)

    def _draw(self, bars: Progress, event: Mapping[str, Any]) -> None:
        stage = str(event["stage"])
        if event.get("done") is None:
            bars.console.print(f"{stage}: {_note(event)}", markup=False)
            return
        if stage not in self._tasks:
            self._tasks[stage] = bars.add_task(stage, total=event.get("total"), note="")
        note = _note(event, bars=True)
        bars.update(self._tasks[stage], completed=event["done"], total=event.get("total"), note=note)

    def _print(self, event: Mapping[str, Any]) -> None:
        stage = str(event["stage"])
        now = time.monotonic()
        finished = event.get("total") is not None and event.get("done") == event.get("total")
        news = event.get("done") is None
        if stage in self._printed and not finished and not news and now - self._printed[stage] < LINE_EVERY_SECONDS:
            return
        if not news:
            self._printed[stage] = now
        sys.stderr.write(f"{stage}: {_note(event)}\n")
        sys.stderr.flush()


def _note(event: Mapping[str, Any], *, bars: bool = False) -> str:
    parts = []
    done, total, unit = event.get("done"), event.get("total"), event.get("unit") or ""
    if done is not None:
        whole = f" of {count(total)}" if total is not None and not bars else ""
        parts.append(f"{count(done)}{whole} {unit}".rstrip())
    unknown = (event.get("not_found") or 0) + (event.get("failed") or 0)
    if unknown:
        parts.append(f"{count(unknown)} unknown")
    if event.get("rate"):
        parts.append(f"{count(round(event['rate']))}/s")
    if event.get("eta_seconds"):
        parts.append(f"{seconds(event['eta_seconds'])} left")
    if event.get("limited"):
        parts.append("held back")
    if event.get("message"):
        parts.append(str(event["message"]))
    return ", ".join(parts)
