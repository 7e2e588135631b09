"""What a run knows of itself while it works: fed by its progress events, read by other threads at any moment."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

Document = dict[str, Any]

FIGURES: Final = ("done", "total", "found", "open", "not_found", "failed", "limited")
"""What an event may say of its source beside ``rate`` and ``eta_seconds``; see `RunState.update`."""
_WINDOW_SECONDS: Final = 30.0
_MESSAGES_KEPT: Final = 20


@dataclass
class _Source:
    figures: Document = field(default_factory=lambda: {**dict.fromkeys(FIGURES[:-1], 0), "limited": False})
    unit: str | None = None
    rate: float | None = None
    eta_seconds: float | None = None
    points: deque[tuple[float, int]] = field(default_factory=deque)  # (moment, done) of the last half minute


class RunState:
    """The figures of a run, per source. Every method may be called from any thread.

    Args:
        doing: the command that runs, ``sync`` or ``import``.
        run_id: set it once it is known.
    """

    def __init__(self, doing: str, run_id: str | None = None) -> None:
        self.doing = doing
        self.run_id = run_id
        self.started = time.time()
        self.state = "running"
        self._guard = threading.Lock()
        self._sources: dict[str, _Source] = {}
        self._messages: deque[Document] = deque(maxlen=_MESSAGES_KEPT)
        self._coverage: Document = {}
        self._projected: Document = {}

    def update(self, event: Mapping[str, Any]) -> None:
        """Take in a progress event.

        Keys, all optional but ``stage``: ``source`` (the line it belongs to; else the stage), ``done``, ``total``,
        ``unit``, ``found``, ``open`` (skipped because the market is open), ``not_found``, ``failed``, ``limited`` (the
        source holds us back now), ``rate`` (per second) and ``eta_seconds`` (both measured here where they are not
        given), ``message``, ``projected`` (the coverage the plan expects: an object as in ``polyledger.coverage/1``).
        What an event does not mention stays.
        """
        now = time.monotonic()
        with self._guard:
            name = str(event.get("source") or event["stage"])
            if event.get("projected") is not None:
                self._projected = deepcopy(dict(event["projected"]))
            if event.get("message"):
                self._note(name, str(event["message"]), news=event.get("done") is None)
            known = {key: event[key] for key in FIGURES if event.get(key) is not None}
            if known:
                source = self._sources.setdefault(name, _Source())
                if event.get("unit") != source.unit or known.get("done", 0) < source.figures["done"]:
                    source.points.clear()  # another kind of work: rates do not mix
                    source.unit = event.get("unit")
                source.figures.update(known)
                _measure(source, event, now)

    def with_speed(self, event: Mapping[str, Any]) -> Document:
        """The event with the rate and the time that is left as they were measured here, where it does not give them."""
        with self._guard:
            source = self._sources.get(str(event.get("source") or event["stage"]))
            if source is None or event.get("done") is None:
                return dict(event)
            return {**event, "rate": source.rate, "eta_seconds": source.eta_seconds}

    def covered(self, coverage: Mapping[str, Any]) -> None:
        """Take in the coverage as it is now, a ``polyledger.coverage/1`` document."""
        with self._guard:
            self._coverage = deepcopy(dict(coverage))

    def finish(self, state: str) -> None:
        """The run has ended as ``done``, ``partial`` or ``interrupted``."""
        with self._guard:
            self.state = state

    def sources(self) -> list[Document]:
        """The lines of ``sources`` in ``polyledger.status/1``, in the order in which they were first heard of."""
        with self._guard:
            return [
                {
                    "source": name,
                    **source.figures,
                    "unit": source.unit,
                    "per_second": source.rate,
                    "eta_seconds": source.eta_seconds,
                }
                for name, source in self._sources.items()
            ]

    def messages(self) -> list[Document]:
        """The last messages, oldest first: ``{"at", "source", "message"}``."""
        with self._guard:
            return [dict(message) for message in self._messages]

    def coverage(self) -> Document:
        """The last coverage that was measured; empty before that."""
        with self._guard:
            return deepcopy(self._coverage)

    def projected(self) -> Document:
        """The coverage that the plan expects at the end; empty where there is no plan."""
        with self._guard:
            return deepcopy(self._projected)

    def _note(self, source: str, message: str, *, news: bool) -> None:
        """Messages that go with figures replace each other; news stays."""
        entry = {"at": _moment(time.time()), "source": source, "message": message}
        last = self._messages[-1] if self._messages else None
        if not news and last is not None and last.get("running") and last["source"] == source:
            self._messages.pop()
        self._messages.append(entry if news else entry | {"running": True})


def _measure(source: _Source, event: Mapping[str, Any], now: float) -> None:
    done, total = source.figures["done"], source.figures["total"]
    if event.get("done") is not None:
        source.points.append((now, done))
        while now - source.points[0][0] > _WINDOW_SECONDS and len(source.points) > 2:
            source.points.popleft()
    source.rate, source.eta_seconds = event.get("rate"), event.get("eta_seconds")
    if source.rate is None and len(source.points) > 1:
        (since, at_first), (until, at_last) = source.points[0], source.points[-1]
        source.rate = (at_last - at_first) / (until - since) if until > since else None
    if total and done >= total:
        source.eta_seconds = 0.0
    elif source.eta_seconds is None and source.rate and total:
        source.eta_seconds = (total - done) / source.rate


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
