"""Naming the conditions seen: markets and events from Gamma, and from CLOB what Gamma does not know."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import duckdb

from polyledger.domain.errors import PolyledgerError, WorkspaceError
from polyledger.domain.records import Lookup, MarketRecord
from polyledger.identity.claims import market_verdict
from polyledger.sources.answers import Answer, Evidence
from polyledger.sources.clob import ClobSource
from polyledger.sources.gamma import GammaSource
from polyledger.sources.lookups import Kind, LookupSource, one_by_one
from polyledger.store import evidence as evidence_store
from polyledger.store import market_claims
from polyledger.store.database import Database

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
    evidence_folder: Path
    run_id: str
    progress: Progress
    gamma: GammaSource | None
    clob: ClobSource | None
    deadline: float | None = None
    outcomes: list[SourceOutcome] = field(default_factory=list)
    _evidence_ids: dict[tuple[str, str], int] = field(default_factory=dict)
    _events_seen: set[tuple[str, int]] = field(default_factory=set)

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
        with self.database.transaction() as connection:
            for answer in group:
                evidence_id = self._keep(answer.evidence)
                if answer.asked:
                    market_claims.add_lookup(
                        connection, outcome.source, "event", answer.key, outcome=answer.state, evidence_id=evidence_id
                    )
                if answer.record is not None and evidence_id is not None:
                    market_claims.add_event(connection, answer.record, evidence_id)
        self.progress({"stage": outcome.source, "done": len(group), "total": total, "unit": "events"})

    def _commit_markets(self, outcome: SourceOutcome, group: Sequence[Answer[MarketRecord]]) -> None:
        if not group:
            return
        with self.database.transaction() as connection:
            known = market_claims.tokens_of(connection, [answer.key for answer in group if answer.asked])
            for answer in group:
                evidence_id = self._keep(answer.evidence)
                if answer.asked:
                    self._add_lookup(connection, outcome.source, "market", answer, evidence_id)
                    self._count(outcome, answer.state)
                if answer.record is None or evidence_id is None or answer.key not in known:
                    continue
                condition, tokens = known[answer.key]
                verdict = market_verdict(answer.record, tokens)
                market_claims.add_market(connection, condition, answer.record, verdict, evidence_id)
                event = answer.record.event
                # One page names an event once per market of it: one claim is enough.
                if event is not None and (event.event_id, evidence_id) not in self._events_seen:
                    self._events_seen.add((event.event_id, evidence_id))
                    market_claims.add_event(connection, event, evidence_id)

    def _keep(self, pieces: Sequence[Evidence]) -> int | None:
        """Keep the bodies an answer rests on; the id of the last one, which is the one that decided."""
        newest: int | None = None
        for piece in pieces:
            key = (piece.digest, repr(piece.params))
            if key not in self._evidence_ids:
                digest = evidence_store.keep_body(self.evidence_folder, piece.body)
                self._evidence_ids[key] = evidence_store.record(
                    self.database.connection,
                    source=piece.source,
                    url=piece.url,
                    params=piece.params,
                    status=piece.status,
                    digest=digest,
                    received_at=piece.received_at,
                    run_id=self.run_id,
                )
            newest = self._evidence_ids[key]
        return newest

    @staticmethod
    def _add_lookup(
        connection: duckdb.DuckDBPyConnection, source: str, kind: str, answer: Answer[Any], evidence_id: int | None
    ) -> None:
        market_claims.add_lookup(
            connection, source, kind, answer.key, outcome=str(answer.state), evidence_id=evidence_id
        )

    @staticmethod
    def _count(outcome: SourceOutcome, state: Lookup) -> None:
        outcome.asked += 1
        name = str(state)
        setattr(outcome, name, getattr(outcome, name) + 1)

    def _report(self, outcome: SourceOutcome, unit: str, total: int) -> None:
        self.progress({"stage": outcome.source, "done": outcome.asked, "total": total, "unit": unit})

    def _late(self) -> bool:
        return self.deadline is not None and time.monotonic() > self.deadline


def _singly(source: LookupSource, kind: Kind, keys: Sequence[str]) -> AsyncIterator[Answer[Any]]:
    return one_by_one(source.look_up(kind, keys))
