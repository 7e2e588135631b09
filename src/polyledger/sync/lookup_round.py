"""Carrying out the look-ups of a plan: one worker per source, all at once, one writer, and each source fails alone.

A worker asks for its stages in the order of the plan, a few seconds of requests at a time, together with what other
sources left over meanwhile and weighs more, and then for the rest of that. Answers are committed as they come; what has
not come is not done. A source that stops answering is tried again after a while if it has answered before, and then
given up for this run; its keys go to the others.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, Final

import anyio
import anyio.to_thread
import numpy as np

from polyledger.ctf.contracts import ContractSet
from polyledger.domain.errors import PolyledgerError, UpstreamUnavailableError, WorkspaceError
from polyledger.domain.records import Kind, Lookup
from polyledger.identity.links import other_tokens
from polyledger.sources.answers import Answer
from polyledger.sources.lookups import LookupSource
from polyledger.sync.board import Board
from polyledger.sync.claim_writer import ClaimWriter
from polyledger.sync.missing import Missing
from polyledger.sync.stage_records import StageRecord, StageRecords
from polyledger.sync.stages import ACTIONS, SCAN, Plan, worth_walking
from polyledger.sync.tally import Tally, keyed, leaves_open
from polyledger.sync.upstreams import Upstreams

SECONDS_PER_CALL: Final = 5.0
"""So much work is handed to a source at a time: what others find meanwhile is left out of the next portion."""
_FIRST_CALL: Final = 0.5
"""Seconds of the first portion; they double from call to call, so that heavy keys reach the next source soon."""
_MOST_PER_CALL: Final = 20_000
_ANSWERS_PER_COMMIT: Final = 2_000
_SECONDS_PER_COMMIT: Final = 1.0
_TRIES: Final = 3  # of a source that has answered before
_COOL_DOWN: Final = 5.0
_SECONDS_BETWEEN_REPORTS: Final = 0.25

Progress = Callable[[dict[str, Any]], None]


class LookupRound:
    """One plan, carried out.

    Args:
        plan: what to do.
        missing: what the plan was made from.
        upstreams: the sources.
        writer: commits answers.
        contracts: in whose collaterals tokens derive.
        tallies: by source, kept over the rounds of a run.
        records: of the stages of the run.
        progress: is told how far each source is.
    """

    def __init__(
        self,
        plan: Plan,
        missing: Missing,
        upstreams: Upstreams,
        writer: ClaimWriter,
        contracts: ContractSet,
        *,
        tallies: dict[str, Tally],
        records: StageRecords,
        progress: Progress,
    ) -> None:
        self._plan = plan
        self._missing = missing
        self._upstreams = upstreams
        self._writer = writer
        self._contracts = contracts
        self._tallies = tallies
        self._records = records
        self._progress = progress
        self._board = Board(plan.routes, plan.stages)
        self._owners = {kind: np.full(len(route.keys), -1, np.int64) for kind, route in plan.routes.items()}
        for number, stage in enumerate(plan.stages):
            if stage.kind in self._owners:
                self._owners[stage.kind][stage.positions] = number
        self._changed = anyio.Event()
        self._writing = anyio.Lock()
        self._ledger_trouble: WorkspaceError | None = None
        self._calls: Counter[str] = Counter()
        self._walked: set[tuple[str, Kind, tuple[str, ...]]] = set()
        self.found: set[Kind] = set()

    async def run(self) -> None:
        """Ask until nobody is left who could tell what is missing.

        Raises:
            WorkspaceError: the ledger cannot be written, a full disk say. Trouble of sources is in their tallies.
        """
        sources = {source for route in self._plan.routes.values() for source in route.sources}
        for source in sources:
            tally = self._tallies.setdefault(source, Tally(source))
            tally.planned = tally.done + sum(s.keys for s in self._plan.of(source) if not s.depends and s.kind)
        try:
            async with anyio.create_task_group() as group:
                for source in sorted(sources):
                    group.start_soon(self._guarded, source, group.cancel_scope)
        finally:
            for source in sources:
                self._tallies[source].missed += self._board.missed(source)
        if self._ledger_trouble is not None:
            raise self._ledger_trouble

    async def _guarded(self, source: str, scope: anyio.CancelScope) -> None:
        try:
            await self._work(source)
        except WorkspaceError as error:
            self._ledger_trouble = error
            scope.cancel()
        finally:
            self._report(self._tallies[source], force=True)

    async def _work(self, name: str) -> None:
        """All stages of a source, then what others leave over."""
        for stage in self._plan.of(name):
            if stage.depends or stage.kind is None or stage.action == SCAN:
                continue
            if stage.walks:
                await self._walk(name, stage.walks, stage.kind, stage.keys, self._records.of_stage(stage))
            else:
                await self._stage(name, stage.kind, stage.keys)
        while True:
            kind = self._next_left_over(name)
            lists = () if kind is None else self._lists_for_left_over(name, kind)
            if kind is not None and lists:
                # What a source leaves over that has stopped answering may be more than is asked for one by one.
                record = self._records.left_over(name, f"walk-{ACTIONS[kind]}")
                await self._walk(name, lists, kind, self._board.waiting(name, kind), record)
            elif kind is not None:
                await self._ask(name, kind, self._board.take(name, kind, self._portion(name, kind)))
            elif any(self._board.may_come(name, kind) for kind in self._board.kinds_of(name)):
                await self._changed.wait()
            else:
                return

    def _next_left_over(self, name: str) -> Kind | None:
        """A kind of which enough keys wait for a full request, or of which no more can come.

        While nobody is asked anything, nothing comes: two sources that wait for each other would wait for ever.
        """
        for kind in self._board.kinds_of(name):
            waiting = self._board.waiting(name, kind)
            is_last = self._board.is_idle or not self._board.may_come(name, kind)
            if waiting and (is_last or waiting >= self._batch(name, kind)):
                return kind
        return None

    def _lists_for_left_over(self, name: str, kind: Kind) -> tuple[str, ...]:
        """The lists to walk instead of asking for what waits, each once in a round."""
        requests = -(-self._board.waiting(name, kind) // self._batch(name, kind))
        lists = tuple(offer.walk.name for offer in worth_walking(self._plan.walks, name, kind, requests))
        return () if (name, kind, lists) in self._walked else lists

    async def _stage(self, name: str, kind: Kind, count: int) -> None:
        batch = self._batch(name, kind)
        left = count
        while left > 0:
            keys = self._board.take(name, kind, min(-(-left // batch) * batch, self._portion(name, kind)))
            if not keys:
                return
            left -= sum(self._board.is_first(name, kind, key) for key in keys)
            await self._ask(name, kind, keys)

    def _record(self, name: str, kind: Kind, key: str) -> StageRecord:
        """The stage that a look-up of this key belongs to: the one that planned it, else that of what is left over."""
        place = self._board.position(kind, key)
        number = -1 if place is None else int(self._owners[kind][place])
        if number < 0 or self._plan.stages[number].source != name:
            return self._records.left_over(name, ACTIONS[kind])
        return self._records.of_stage(self._plan.stages[number])

    async def _ask(self, name: str, kind: Kind, keys: list[str]) -> None:
        """Ask about keys until each is answered or the source is given up."""
        tally = self._tallies[name]
        shares = Counter(id(record) for key in keys if (record := self._record(name, kind, key)))
        for attempt in range(_TRIES):
            before, began = self._upstreams.requests[name], time.monotonic()
            answered = tally.done
            try:
                await self._look_up(name, kind, keys)
            except WorkspaceError:
                raise
            except PolyledgerError as error:
                may_recover = isinstance(error, UpstreamUnavailableError) and tally.found + tally.not_found > 0
                if not may_recover or (attempt == _TRIES - 1 and tally.done == answered):
                    self._give_up(tally, kind, error)
                    return
                self._progress({"stage": name, "source": name, "message": f"{error.what}; tried again in a while"})
                await anyio.sleep(_COOL_DOWN * (attempt + 1))
            else:
                return
            finally:
                self._records.spent(shares, self._upstreams.requests[name] - before, time.monotonic() - began)
            keys = self._board.take(name, kind, len(keys))
            if not keys:
                return
        self._board.give_back(name, kind, keys)

    def _give_up(self, tally: Tally, kind: Kind, error: PolyledgerError) -> None:
        # An outage concerns all that a source is asked; an answer of another shape only its kind.
        closed = None if isinstance(error, UpstreamUnavailableError) else kind
        tally.error = error
        tally.closed.add(closed)
        self._board.close(tally.source, closed)
        self._progress({"stage": tally.source, "source": tally.source, "message": error.what})
        self._notify()

    async def _look_up(self, name: str, kind: Kind, keys: list[str]) -> None:
        source: LookupSource = self._upstreams.lookups[name]
        self._calls[name] += 1
        buffer: list[Answer[Any]] = []
        since = time.monotonic()
        asked = source.look_up(kind, keys, concurrency=self._upstreams.workers(name), closed=self._closed(kind, keys))
        try:
            async with aclosing(asked) as lists:  # type: ignore[type-var]  # look-ups are generators
                async for answers in lists:
                    self._take_in(name, kind, answers)
                    buffer += answers
                    now = time.monotonic()
                    if len(buffer) >= _ANSWERS_PER_COMMIT or now - since >= _SECONDS_PER_COMMIT:
                        await self._commit(name, kind, buffer)
                        buffer, since = [], time.monotonic()
            self._board.settle(name, kind, keys)
        finally:
            with anyio.CancelScope(shield=True):
                await self._commit(name, kind, buffer)
                self._board.give_back(name, kind, keys)
            self._notify()

    def _take_in(self, name: str, kind: Kind, answers: Sequence[Answer[Any]]) -> None:
        tally = self._tallies[name]
        known: dict[str, bool] = {}
        for answer in answers:
            if not answer.asked:
                continue
            is_first = answer.key not in known
            found = answer.state is Lookup.FOUND and not leaves_open(kind, answer)
            known[answer.key] = known.get(answer.key, False) or found
            if is_first:
                tally.count(kind, answer)
        for key, found in known.items():
            record = self._record(name, kind, key)
            if found:
                self.found.add(kind)
                record.answered(found=True, gained=self._hangs_on(kind, key))
                self._board.answered(name, kind, key)
            else:
                record.answered(found=False)
                self._board.unknown(name, kind, key)
        if kind is Kind.TOKEN:
            self._take_in_siblings(name, answers)
        self._report(tally)
        self._notify()

    def _take_in_siblings(self, name: str, answers: Sequence[Answer[Any]]) -> None:
        """The other tokens of a condition follow from it by derivation, so nobody need be asked about them."""
        tally = self._tallies[name]
        for answer in answers:
            if answer.asked and answer.state is Lookup.FOUND:
                condition = getattr(answer.record, "condition_id", None)
                siblings = [] if condition is None else other_tokens(answer.key, condition, self._contracts)
                for key in self._board.known_already(Kind.TOKEN, siblings):
                    record = self._record(name, Kind.TOKEN, answer.key)
                    record.answered(found=True, gained=self._hangs_on(Kind.TOKEN, key))
                    tally.done += 1
                    tally.found += 1

    def _hangs_on(self, kind: Kind, key: str) -> tuple[int, int]:
        """Trades and volume."""
        place, keys = self._board.position(kind, key), self._missing.kinds[kind]
        return (0, 0) if place is None else (int(keys.trades[place]), int(keys.volume[place]))

    async def _walk(self, name: str, lists: tuple[str, ...], kind: Kind, count: int, record: StageRecord) -> None:
        """Walk lists and keep what is asked for; at the end the keys that were not met are unknown.

        A walk that was interrupted goes on where it was, and then through what lies before: the keys may be others.
        """
        self._walked.add((name, kind, lists))
        wanted = set(self._board.take(name, kind, count))
        tally = self._tallies[name]
        before, began = self._upstreams.requests[name], time.monotonic()
        try:
            for list_name in lists:
                begin = self._writer.walk_cursor(name, list_name)
                await self._pages(name, list_name, kind, wanted, begin=begin, end=None)
                if begin is not None:
                    await self._pages(name, list_name, kind, wanted, begin=None, end=begin)
            unknown: list[Answer[Any]] = [
                Answer(key, Lookup.NOT_FOUND, (), reason="in none of the lists") for key in sorted(wanted)
            ]
            self._take_in(name, kind, unknown)
            await self._commit(name, kind, unknown)
        except WorkspaceError:
            raise
        except PolyledgerError as error:
            self._give_up(tally, kind, error)
        finally:
            record.spent(self._upstreams.requests[name] - before, time.monotonic() - began)
            self._board.give_back(name, kind, wanted)

    async def _pages(
        self, name: str, list_name: str, kind: Kind, wanted: set[str], *, begin: str | None, end: str | None
    ) -> None:
        """The pages of a list from one cursor up to another, as long as anything is wanted that was not met."""
        source: Any = self._upstreams.lookups[name]
        if not wanted:
            return
        async with aclosing(source.walk(list_name, cursor=begin)) as pages:
            async for page in pages:
                answers = [one for one in keyed(kind, page) if one.key in wanted]
                self._take_in(name, kind, answers)
                wanted -= {answer.key for answer in answers}
                is_last = not wanted or page.next_cursor == end
                commit = partial(self._writer.commit_page, is_last=is_last)
                async with self._writing:
                    await anyio.to_thread.run_sync(commit, name, str(kind), list_name, answers, page)
                if is_last:
                    return

    async def _commit(self, name: str, kind: Kind, answers: list[Answer[Any]]) -> None:
        if not answers:
            return
        async with self._writing:
            counts = await anyio.to_thread.run_sync(self._writer.commit, name, str(kind), answers)
        for pattern in counts.patterns:
            self._progress({"stage": name, "source": name, "message": f"set aside: {pattern}"})

    def _closed(self, kind: Kind, keys: Sequence[str]) -> dict[str, bool]:
        """Markets that the chain has resolved are over; of the others nothing is known."""
        if kind is not Kind.MARKET:
            return {}
        over = self._plan.routes[kind].over
        places = ((key, self._board.position(kind, key)) for key in keys)
        return {key: True for key, place in places if place is not None and over[place]}

    def _batch(self, name: str, kind: Kind) -> int:
        capabilities = self._upstreams.lookups[name].capabilities
        return next(capability.batch for capability in capabilities if capability.kind is kind)

    def _portion(self, name: str, kind: Kind) -> int:
        """How many keys to hand over at a time: full batches for all workers, for a few seconds."""
        batch = self._batch(name, kind)
        rate = self._upstreams.clients[name].limiter.rate or 20.0
        seconds = min(SECONDS_PER_CALL, _FIRST_CALL * 2.0 ** self._calls[name])
        requests = max(self._upstreams.workers(name), round(rate * seconds))
        return max(batch, min(_MOST_PER_CALL, requests * batch))

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    def _report(self, tally: Tally, *, force: bool = False) -> None:
        now = time.monotonic()
        if not force and now - tally.reported < _SECONDS_BETWEEN_REPORTS:
            return
        if not tally.done and not tally.planned:
            return
        tally.reported = now
        self._progress(
            {
                "stage": tally.source,
                "source": tally.source,
                "done": tally.done,
                "total": max(tally.planned, tally.done),
                "unit": "keys",
                "found": tally.found,
                "open": tally.open,
                "not_found": tally.not_found,
                "failed": tally.failed,
                "limited": self._upstreams.is_limited(tally.source),
            }
        )
