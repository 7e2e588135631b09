"""Naming the conditions seen: markets and events from Gamma, and from CLOB what Gamma does not know."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from polyledger.domain.errors import PolyledgerError, WorkspaceError
from polyledger.domain.records import MarketRecord
from polyledger.sources.answers import Answer
from polyledger.sources.clob import ClobSource
from polyledger.sources.gamma import GammaSource
from polyledger.sources.lookups import Kind, LookupSource, one_by_one
from polyledger.store import market_claims
from polyledger.store.database import Database
from polyledger.sync.claim_writer import ClaimWriter

# Answers are committed in groups of this size: a kill loses at most one group, which is asked for again.
_GROUP: Final = 500

Progress = Callable[[dict[str, Any]], None]


@dataclass
class SourceOutcome:
    """How one source did: counts of keys by how their look-up ended, and the error that ended it early, if any."""

    source: str
    asked: int = 0
    found: int = 0
    not_found: int = 0
    refused: int = 0
    schema_mismatch: int = 0
    error: PolyledgerError | None = None


@dataclass
class MarketStage:
    """Asks for markets and events of conditions that have not been asked for yet. A source that fails stops alone."""

    database: Database
    writer: ClaimWriter
    progress: Progress
    gamma: GammaSource | None
    clob: ClobSource | None
    deadline: float | None = None
    outcomes: list[SourceOutcome] = field(default_factory=list)

    async def run(self) -> list[SourceOutcome]:
        """Ask every enabled source for what it has not been asked for."""
        if self.gamma is not None:
            gamma = self.gamma
            outcome = SourceOutcome("gamma")
            self.outcomes.append(outcome)
            await self._guarded(outcome, lambda: self._gamma(gamma, outcome))
        if self.clob is not None:
            clob = self.clob
            outcome = SourceOutcome("clob")
            self.outcomes.append(outcome)
            await self._guarded(outcome, lambda: self._clob(clob, outcome))
        return self.outcomes

    async def _guarded(self, outcome: SourceOutcome, work: Callable[[], Any]) -> None:
        try:
            await work()
        except WorkspaceError:
            raise  # the ledger's trouble, a full disk say, not the source's
        except PolyledgerError as error:
            outcome.error = error
            self.progress({"stage": outcome.source, "message": error.what})

    async def _gamma(self, source: GammaSource, outcome: SourceOutcome) -> None:
        with self.database.write_lock:
            conditions = market_claims.conditions_without(self.database.connection, "gamma", "market")
        if conditions:
            await self._markets(outcome, _singly(source, Kind.MARKET, conditions), len(conditions))
        with self.database.write_lock:
            events = market_claims.events_without(self.database.connection, "gamma")
        if events:
            await self._events(outcome, _singly(source, Kind.EVENT, events), len(events))

    async def _clob(self, source: ClobSource, outcome: SourceOutcome) -> None:
        with self.database.write_lock:
            conditions = market_claims.unnamed_conditions(self.database.connection, "clob", "market")
        if conditions:
            await self._markets(outcome, _singly(source, Kind.MARKET, conditions), len(conditions))

    async def _markets(self, outcome: SourceOutcome, answers: AsyncIterator[Answer[Any]], total: int) -> None:
        group: list[Answer[MarketRecord]] = []
        async for answer in answers:
            group.append(answer)
            if len(group) >= _GROUP:
                self._commit_markets(outcome, group)
                group = []
                self._report(outcome, "markets", total)
                if self._late():
                    return
        self._commit_markets(outcome, group)
        self._report(outcome, "markets", total)

    async def _events(self, outcome: SourceOutcome, answers: AsyncIterator[Answer[Any]], total: int) -> None:
        group = [answer async for answer in answers]
        self.writer.commit(outcome.source, "event", group)
        self.progress({"stage": outcome.source, "done": len(group), "total": total, "unit": "events"})

    def _commit_markets(self, outcome: SourceOutcome, group: Sequence[Answer[MarketRecord]]) -> None:
        if not group:
            return
        counts = self.writer.commit(outcome.source, "market", group)
        for name in ("asked", "found", "not_found", "refused", "schema_mismatch"):
            setattr(outcome, name, getattr(outcome, name) + getattr(counts, name))

    def _report(self, outcome: SourceOutcome, unit: str, total: int) -> None:
        self.progress({"stage": outcome.source, "done": outcome.asked, "total": total, "unit": unit})

    def _late(self) -> bool:
        return self.deadline is not None and time.monotonic() > self.deadline


def _singly(source: LookupSource, kind: Kind, keys: Sequence[str]) -> AsyncIterator[Answer[Any]]:
    return one_by_one(source.look_up(kind, keys))
