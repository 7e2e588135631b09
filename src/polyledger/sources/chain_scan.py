"""A scan: ranges asked for ahead of the reader, handed out in order, without holes, none believed unchecked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from polyledger.ctf.contracts import ContractSet
from polyledger.ctf.logs import LogColumns
from polyledger.domain.errors import SourceError
from polyledger.sources.chain_accounts import Accounts
from polyledger.sources.chain_fetch import Fetched, RangeFetcher
from polyledger.sources.chain_integrity import (
    InconsistentAnswerError,
    ReorgDetectedError,
    Watched,
    contradicts_bloom,
    merged,
)
from polyledger.sources.chain_ranges import RangeSizer
from polyledger.sources.chain_refusals import Refusal, RefusalKind
from polyledger.sources.chain_wire import Query, RawAnswer, ScannedRange

_MOST_BUFFERED_LOGS: Final = 150_000
_MOST_SLOTS_AHEAD: Final = 48
_MOST_HELD: Final = 16  # empty ranges that are looked at a second time together
_TRIES_OF_A_SLOT: Final = 4  # when it does not fit to its neighbour
_WAIT_BEFORE_AGAIN: Final = 0.1


@dataclass(eq=False, slots=True)
class _Slot:
    """A range on its way: waiting, being asked for (`task`), or answered (`fetched` or `error`)."""

    from_block: int
    to_block: int
    most_blocks: int | None = None  # after a refusal: never more than this at once
    expects_logs: bool = False
    tries: int = 0
    accounts: frozenset[bytes] = frozenset()
    task: asyncio.Task[None] | None = None
    fetched: Fetched | None = None
    error: Exception | None = None

    @property
    def blocks(self) -> int:
        return self.to_block - self.from_block + 1

    @property
    def is_answered(self) -> bool:
        return self.fetched is not None or self.error is not None

    def again(self, *, expects_logs: bool = False) -> _Slot:
        """The same range, to be asked for anew."""
        return _Slot(self.from_block, self.to_block, self.most_blocks, expects_logs, self.tries + 1)


@dataclass(frozen=True, slots=True)
class _Taken:
    """A range in its turn: linked to the one before it, with the transfers of all accounts known by now."""

    slot: _Slot
    scanned: ScannedRange
    hash_before: bytes | None


class Scan:
    """One scan of a span of blocks. Iterate over `ranges` once; closing that iterator ends all requests."""

    def __init__(
        self,
        fetcher: RangeFetcher,
        contracts: ContractSet,
        accounts: Accounts,
        sizer: RangeSizer,
        span: tuple[int, int],
        *,
        max_concurrency: int,
    ) -> None:
        self._fetcher = fetcher
        self._contracts = contracts
        self._accounts = accounts
        self._sizer = sizer
        self._max_concurrency = max_concurrency
        self._slots = [_Slot(*span)] if span[0] <= span[1] else []
        self._last_hash: bytes | None = None
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._has_answer = False
        self._blooms_prove = True

    async def ranges(self) -> AsyncGenerator[ScannedRange, None]:
        """The ranges in order. See `ChainSource.scan` for what it raises."""
        held: list[_Taken] = []  # empty ranges that are not believed yet
        try:
            while self._slots:
                taken = await self._take()
                if self._may_be_wrongly_empty(taken):
                    held.append(taken)
                    if len(held) < _MOST_HELD and self._slots:
                        continue
                    believed = await self._look_again(held, then=None)
                elif held:
                    believed = await self._look_again(held, then=taken)
                else:
                    believed = [taken.scanned]
                held = []
                for scanned in believed:
                    yield scanned
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- asking ahead

    def _start_requests(self) -> None:
        """Start as many requests as may run, the earliest ranges first."""
        running = sum(slot.task is not None and not slot.is_answered for slot in self._slots)
        # One at a time until the node has shown what it takes: refusals would come in parallel too.
        most = self._max_concurrency if self._has_answer else 1
        buffered = sum(len(slot.fetched.scanned.logs) for slot in self._slots if slot.fetched is not None)
        place = 0
        while place < min(len(self._slots), _MOST_SLOTS_AHEAD):
            slot = self._slots[place]
            if slot.task is None and not slot.is_answered:
                if running >= most or (place > 0 and buffered >= _MOST_BUFFERED_LOGS):
                    return
                self._cut(place)
                slot.task = asyncio.create_task(self._request(slot))
                self._tasks.add(slot.task)
                slot.task.add_done_callback(self._tasks.discard)
                running += 1
            place += 1

    def _cut(self, place: int) -> None:
        """Make a waiting slot as long as a request may be; the rest waits behind it."""
        slot = self._slots[place]
        size = self._sizer.size if slot.most_blocks is None else min(self._sizer.size, slot.most_blocks)
        if slot.blocks > size:
            self._slots.insert(place + 1, _Slot(slot.from_block + size, slot.to_block))
            slot.to_block = slot.from_block + size - 1
            slot.expects_logs = False

    async def _request(self, slot: _Slot) -> None:
        slot.accounts = self._accounts.now()
        try:
            fetched = await self._fetcher.fetch(
                slot.from_block, slot.to_block, self._accounts.queries(slot.accounts), expects_logs=slot.expects_logs
            )
        except Exception as error:  # raised when its turn comes, after all ranges before it
            slot.error = error
        else:
            if isinstance(fetched, Refusal):
                self._refused(slot, fetched)
            else:
                self._has_answer = True
                self._sizer.accepted(slot.blocks, fetched.largest)
                slot.fetched = fetched
        self._changed.set()

    def _refused(self, slot: _Slot, refusal: Refusal) -> None:
        """Have the slot asked for again, with less in it."""
        slot.task = None
        if refusal.kind is not RefusalKind.LISTS:
            slot.most_blocks = self._sizer.refused(slot.blocks, refusal)
        elif not self._accounts.shorten():
            slot.error = SourceError(
                f"A node refuses filters as long as ours: {refusal.message}", "Use another endpoint in chain.rpc_url"
            )

    # --- handing out

    async def _take(self) -> _Taken:
        """The next range in order, linked and complete."""
        while True:
            self._start_requests()
            slot = self._slots[0]
            if not slot.is_answered:
                self._changed.clear()
                await self._changed.wait()
                continue
            if slot.error is not None:
                raise slot.error
            try:
                taken = await self._linked(slot)
            except (InconsistentAnswerError, ReorgDetectedError):
                # Another node or another moment may tell otherwise; what stays is a reorganisation.
                if slot.tries + 1 >= _TRIES_OF_A_SLOT:
                    raise
                await asyncio.sleep(_WAIT_BEFORE_AGAIN * 2**slot.tries)
                self._slots[0] = slot.again(expects_logs=slot.expects_logs)
                continue
            self._slots.pop(0)
            self._last_hash = taken.scanned.last.hash
            return taken

    async def _linked(self, slot: _Slot) -> _Taken:
        assert slot.fetched is not None  # noqa: S101 - the caller has looked
        scanned = slot.fetched.scanned
        if self._last_hash is not None and scanned.first.parent_hash != self._last_hash:
            raise ReorgDetectedError(scanned.from_block - 1)
        self._accounts.learn(scanned.logs)
        parts: list[LogColumns] = []
        kept = list(scanned.bodies)
        for start, queries in self._accounts.additions(slot.accounts, slot.from_block):
            if start <= slot.to_block:
                parts += await self._logs_of(start, slot.to_block, queries, kept)
        if any(map(len, parts)):
            completed = replace(scanned, logs=merged([scanned.logs, *parts]), bodies=kept)
            scanned = await self._fetcher.with_timestamps(completed)
        return _Taken(slot, scanned, self._last_hash)

    async def _logs_of(
        self, from_block: int, to_block: int, queries: Sequence[Query], kept: list[RawAnswer]
    ) -> list[LogColumns]:
        """The logs of `queries`, in as many requests as the node wants; their bodies are added to `kept`."""
        answer = (await self._fetcher.logs([(from_block, to_block)], queries, kept=kept))[0]
        if isinstance(answer, LogColumns):
            return [answer]
        if from_block == to_block:
            raise SourceError(f"A node refuses transfers of block {from_block}: {answer.message}")
        middle = (from_block + to_block) // 2
        return [
            *await self._logs_of(from_block, middle, queries, kept),
            *await self._logs_of(middle + 1, to_block, queries, kept),
        ]

    # --- empty answers

    def _may_be_wrongly_empty(self, taken: _Taken) -> bool:
        """Whether a range without logs needs a second look: the headers' bloom filters do not prove it empty."""
        scanned = taken.scanned
        watched = Watched(self._contracts, self._accounts.filter(taken.slot.accounts))
        headers = (scanned.first, scanned.last)
        if len(scanned.logs):
            if any(contradicts_bloom(scanned.logs, header, watched) for header in headers):
                self._blooms_prove = False
            return False
        covered = scanned.blocks <= len(headers)
        return not (covered and self._blooms_prove and all(watched.is_excluded_by(header) for header in headers))

    async def _look_again(self, held: list[_Taken], *, then: _Taken | None) -> list[ScannedRange]:
        """Ask a second time, and elsewhere if possible, for ranges that came back empty.

        Returns:
            What may be believed, in order: the ranges up to the first that is not empty after all, as one, and `then`.
            What may not be, and all that follows it, is put back to be asked for again.
        """
        found = await self._second_look(held)
        wrong = next((place for place, has_logs in enumerate(found) if has_logs), len(held))
        believed = [_joined([taken.scanned for taken in held[:wrong]])] if wrong else []
        if wrong == len(held):
            return believed if then is None else [*believed, then.scanned]
        back = [
            taken.slot.again(expects_logs=True) if has_logs else taken.slot
            for taken, has_logs in zip(held[wrong:], found[wrong:], strict=True)
        ]
        if then is not None:
            back.append(then.slot)
        self._slots[:0] = back
        self._last_hash = held[wrong].hash_before
        return believed

    async def _second_look(self, held: list[_Taken]) -> list[bool]:
        """For each range, whether it has logs after all."""
        queries = self._accounts.queries(self._accounts.now())
        endpoint = held[0].slot.fetched.endpoint if held[0].slot.fetched else None
        spans = [(taken.scanned.from_block, taken.scanned.to_block) for taken in held]
        whole = (spans[0][0], spans[-1][1])
        if self._sizer.limit is None or whole[1] - whole[0] < self._sizer.limit:
            # One question for all of them: a second look must not cost as much as the first.
            answer = (await self._fetcher.logs([whole], queries, avoid=endpoint))[0]
            if isinstance(answer, LogColumns):
                return [bool(((answer.block >= first) & (answer.block <= last)).any()) for first, last in spans]
            if answer.kind is RefusalKind.BLOCKS:
                self._sizer.refused(whole[1] - whole[0] + 1, answer)
        answers = await self._fetcher.logs(spans, queries, avoid=endpoint)
        # A range that is refused was taken a moment ago: whatever it holds now, it must be asked for again.
        return [isinstance(answer, Refusal) or len(answer) > 0 for answer in answers]


def _joined(ranges: list[ScannedRange]) -> ScannedRange:
    """Neighbouring empty ranges as one; the second look at them counts as one request."""
    return replace(
        ranges[0],
        to_block=ranges[-1].to_block,
        last=ranges[-1].last,
        requests=sum(scanned.requests for scanned in ranges) + 1,
        bodies=[body for scanned in ranges for body in scanned.bodies],
    )
