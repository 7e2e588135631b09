"""What a probe found, as the planner uses it: batches and pages as they are now, and how fast a source answers."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from typing import Any, Final

from polyledger.domain.records import Kind
from polyledger.sources.lookups import Capability, Walk
from polyledger.store.database import Database
from polyledger.store.probed import read_probe

_TRUSTED_SECONDS: Final = 7 * 24 * 3600.0  # a source changes its limits within weeks, not within days


class Measured:
    """The newest probe, if it is not too old; without one, everything stays as documented.

    Args:
        document: the table ``probe`` of the doctor's document; None for none.
        now: seconds since 1970.
    """

    def __init__(self, document: Mapping[str, Any] | None = None, *, now: float | None = None) -> None:
        moment = time.time() if now is None else now
        fresh = document is not None and moment - float(document["at"]) <= _TRUSTED_SECONDS
        sources = document["sources"] if document is not None and fresh else []
        self._lookups: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._walks: dict[tuple[str, str], Mapping[str, Any]] = {}
        for source in sources:
            self._lookups |= {(source["source"], step["kind"]): step for step in source["lookups"] if step["ok"]}
            self._walks |= {(source["source"], step["name"]): step for step in source["walks"] if step["ok"]}

    @classmethod
    def of(cls, database: Database | None) -> Measured:
        """What was measured for this ledger."""
        return cls(None if database is None else read_probe(database))

    def capability(self, capability: Capability) -> Capability:
        """The capability with the batch that was found to work."""
        found = self._lookups.get((capability.source, capability.kind.value))
        return capability if found is None else dataclasses.replace(capability, batch=found["batch"])

    def works(self, source: str, kind: Kind) -> bool:
        """Whether the look-up was tried and worked."""
        return (source, kind.value) in self._lookups

    def walk(self, walk: Walk) -> Walk:
        """The walk with the page that was found to come."""
        found = self._walks.get((walk.source, walk.name))
        return walk if found is None or not found["more"] else dataclasses.replace(walk, page=found["page"])

    def seconds(self, source: str) -> float | None:
        """Seconds that one request to a source takes, by the median of its look-ups; None when not measured."""
        times = sorted(one["seconds"] for (name, _), one in self._lookups.items() if name == source)
        return times[len(times) // 2] if times else None
