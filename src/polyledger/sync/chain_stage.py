"""The chain stage of a run: find what is missing, undo what a reorg orphaned, scan, commit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread

from polyledger.ctf.concerns import transactions_of
from polyledger.ctf.contracts import ContractSet
from polyledger.ctf.logs import LogColumns
from polyledger.domain.errors import SourceError, UpstreamUnavailableError, UsageError
from polyledger.domain.intervals import Interval
from polyledger.sources.chain import ChainSource, Head, RawAnswer, ReorgDetectedError, ScannedRange
from polyledger.store import intervals
from polyledger.store.database import Database
from polyledger.sync.chain_batches import (
    BatchWriter,
    Committed,
    UnbalancedError,
    finalized_border,
)
from polyledger.sync.portions import Portion
from polyledger.sync.receipts import doubtful_transactions, joined, of_transactions, union_of, without
from polyledger.sync.window import missing_portions

_MOST_REORGS: Final = 50
_HASHES_PER_LOOK: Final = 256
# Ranges are written together until they hold this many logs or have waited this long: a transaction has its fixed cost.
_LOGS_PER_BATCH: Final = 150_000
_LOGS_WORTH_WRITING: Final = 30_000  # enough when the writer has nothing to do
_SECONDS_PER_BATCH: Final = 2.0

Progress = Callable[[dict[str, Any]], None]


@dataclass
class ChainOutcome:
    """What the stage did, filled in as it goes so that an interrupted run can tell too."""

    from_block: int | None = None
    to_block: int | None = None
    blocks: int = 0
    logs: int = 0
    fills: int = 0
    unbalanced: int = 0
    rolled_back: list[dict[str, Any]] = field(default_factory=list)
    finished: bool = False


class ChainStage:
    """One pass over the chain up to the target. Everything it needs is given; it keeps nothing between runs."""

    def __init__(
        self,
        source: ChainSource,
        database: Database,
        contracts: ContractSet,
        *,
        scope: str,
        run_id: str,
        from_block: int,
        to_block: int | str,
        progress: Progress,
        deadline: float | None = None,
        evidence_folder: Path,
        wallets: Sequence[bytes] | None = None,
    ) -> None:
        self._source = source
        self._database = database
        self._contracts = contracts
        self._wallets = wallets
        self._from_block = from_block
        self._to_block = to_block
        self._progress = progress
        self._deadline = deadline
        self._began = time.monotonic()
        self._writer = BatchWriter(database, contracts, scope, run_id, evidence_folder=evidence_folder)
        self._total = self._covered = self._target_again = 0
        self._portion = Portion(Interval(from_block, from_block))
        self._writing: asyncio.Task[None] | None = None
        self.outcome = ChainOutcome(from_block=from_block)

    async def run(self) -> ChainOutcome:
        """Scan everything that is missing between the first block and the target.

        Raises:
            UpstreamUnavailableError, SourceError: an endpoint failed for good; what was committed stays.
        """
        await self._source.check()
        for _ in range(_MOST_REORGS):
            head = await self._source.head()
            target = self._target(head)
            self.outcome.to_block = target
            if target < self._from_block:
                raise UsageError(
                    f"The scan would start at block {self._from_block:,}, but the chain ends at {target:,}",
                    "Lower chain.from_block, or wait until the chain is there",
                )
            await self._undo_orphans(head)
            try:
                finished = await self._scan(target, head.finalized)
            except ReorgDetectedError:
                continue  # the chain changed under the scan: look again at what is still true
            if finished and not await self._undo_orphans(head):
                self.outcome.finished = True
                return self.outcome
            if not finished:
                return self.outcome
        raise UpstreamUnavailableError(
            f"The chain changed {_MOST_REORGS} times while it was being read",
            "Set chain.to_block to finalized, or try again later",
        )

    def _target(self, head: Head) -> int:
        if self._to_block == "finalized":
            return head.finalized
        if self._to_block == "latest":
            return head.latest
        return min(int(self._to_block), head.latest)

    def _missing(self, target: int) -> list[Portion]:
        with self._database.write_lock:
            return missing_portions(self._database.connection, (self._from_block, target), self._wallets)

    async def _scan(self, target: int, finalized: int) -> bool:
        """True when everything up to the target is in; False when time ran out before."""
        self._covered = 0
        self._target_again = target
        while missing := self._missing(self._target_again):
            self._total = self._covered + sum(portion.blocks.length for portion in missing)
            if not await self._scan_portion(missing[0], finalized):
                return False
        return True

    async def _scan_portion(self, portion: Portion, finalized: int) -> bool:
        self._portion = portion
        first, last = portion.blocks
        ranges = gathered(
            self._source.scan(
                first,
                last,
                operators=partial(self._writer.operators, first),
                wallets=portion.wallets,
                with_names=portion.with_names,
            ),
            is_idle=self._is_idle,
        )
        try:
            async for scanned in ranges:
                whole, receipts = await self._whole(scanned)
                doubtful = doubtful_transactions(whole.logs, self._contracts)
                completed = await self._with_receipts(whole, doubtful, receipts)
                await self._written()
                if self._deadline is not None and time.monotonic() > self._deadline:
                    return False
                # While this batch is written, the next one is read.
                self._writing = asyncio.create_task(self._commit(completed, finalized, receipts))
            await self._written()
        finally:
            await self._ended()
            await ranges.aclose()
        return True

    async def _whole(self, scanned: ScannedRange) -> tuple[ScannedRange, LogColumns]:
        """The range with whole transactions, and the receipts read for that; as it is where everything was taken."""
        wallets = self._portion.wallets
        if wallets is None:
            return scanned, LogColumns.empty()
        found = await self._source.whole_transactions(
            scanned.logs, transactions_of(scanned.logs, wallets), operators=self._writer.operators_since()
        )
        logs = union_of(scanned.logs, found.logs)
        completed = replace(scanned.with_logs(logs), bodies=[*scanned.bodies, *found.bodies])
        return completed, found.receipts

    def _is_idle(self) -> bool:
        return self._writing is None or self._writing.done()

    async def _written(self) -> None:
        """Wait until the batch under way is committed; raises what went wrong with it."""
        if self._writing is not None:
            await self._writing
            self._writing = None

    async def _ended(self) -> None:
        """Let a write that is under way finish, whatever happened beside it; then its own error is not the news."""
        if self._writing is not None:
            await asyncio.wait([self._writing])
            if not self._writing.cancelled():
                self._writing.exception()
            self._writing = None

    async def _commit(self, scanned: ScannedRange, finalized: int, receipts: LogColumns) -> None:
        self._check_link(scanned)
        commit = partial(self._writer.commit, finalized=finalized, wallets=self._portion.wallets)
        try:
            committed = await anyio.to_thread.run_sync(lambda: commit(scanned, final=False))
        except UnbalancedError as error:
            completed = await self._with_receipts(scanned, error.transactions, receipts)
            committed = await anyio.to_thread.run_sync(lambda: commit(completed, final=True))
        self._report(committed)

    async def _with_receipts(
        self, scanned: ScannedRange, transactions: Sequence[bytes], receipts: LogColumns
    ) -> ScannedRange:
        """The range with all logs of these transactions.

        Filters see collateral only where it touches the protocol; a receipt shows the whole transaction. An endpoint
        that has no receipts leaves the range as it is, and the books say so. `receipts` are those read before.
        """
        if not transactions:
            return scanned
        known = of_transactions(receipts, transactions)
        scanned = scanned.with_logs(joined(scanned.logs, known, self._contracts))
        transactions = without(transactions, known)
        kept: list[RawAnswer] = []
        if not transactions:
            return scanned
        try:
            more = await self._source.receipts(transactions, kept=kept)
        except SourceError:
            return scanned
        completed = scanned.with_logs(joined(scanned.logs, more, self._contracts))
        return replace(completed, bodies=[*scanned.bodies, *kept])

    def _check_link(self, scanned: ScannedRange) -> None:
        """The range must follow on the block stored before it, if that one is known."""
        before = self._database.query("SELECT hash FROM chain.blocks WHERE number = ?", [scanned.from_block - 1])
        if before and bytes(before[0][0]) != scanned.first.parent_hash:
            raise ReorgDetectedError(scanned.from_block - 1)

    async def _undo_orphans(self, head: Head) -> bool:
        """Compare stored hashes with the node's and roll back what is no longer on the chain.

        All stored blocks above the last finalized border are compared, and the newest one whatever it is.

        Returns:
            True when something was rolled back.
        """
        with self._database.write_lock:
            border = finalized_border(self._database)
            stored = intervals.stored_hashes(self._database.connection, above=border, below=head.latest + 1)
            newest = intervals.stored_hashes(self._database.connection, above=-1, below=head.latest + 1, limit=1)
        doubtful = stored or newest
        if not doubtful or await self._all_true(doubtful):
            return False
        ancestor, ancestor_hash = await self._ancestor(head)
        removed = await anyio.to_thread.run_sync(lambda: self._writer.roll_back(ancestor, ancestor_hash))
        self.outcome.rolled_back.append({"to_block": ancestor, "rows": removed})
        self._progress({"stage": "chain", "message": f"a reorg: taken back to block {ancestor:,}"})
        return True

    async def _all_true(self, stored: list[tuple[int, bytes]]) -> bool:
        for start in range(0, len(stored), _HASHES_PER_LOOK):
            part = stored[start : start + _HASHES_PER_LOOK]
            headers = await self._source.headers([number for number, _ in part])
            if any(number not in headers or headers[number].hash != known for number, known in part):
                return False
        return True

    async def _ancestor(self, head: Head) -> tuple[int, bytes]:
        """The highest stored block that is still on the chain; the block before the scan when none is."""
        below: int | None = head.latest + 1
        count = 16
        while True:
            with self._database.write_lock:
                part = intervals.stored_hashes(self._database.connection, above=-1, below=below, limit=count)
            if not part:
                return self._from_block - 1, bytes(32)
            headers = await self._source.headers([number for number, _ in part])
            still = [number for number, known in part if number in headers and headers[number].hash == known]
            # Blocks are linked, so everything at and below a block that is still there is still there.
            if still:
                number = max(still)
                return number, headers[number].hash
            below, count = part[-1][0], min(count * 4, _HASHES_PER_LOOK)

    def _report(self, committed: Committed) -> None:
        if committed.taken_back_to is not None:
            self._target_again = max(self._target_again, committed.taken_back_to)
            self._progress(
                {
                    "stage": "chain",
                    "message": f"blocks {committed.to_block + 1:,} to {committed.taken_back_to:,} are read again: "
                    "what they mean depends on the earlier ones that have now come in",
                }
            )
        self._covered += committed.to_block - committed.from_block + 1
        covered, total = self._covered, self._total
        self.outcome.blocks += committed.to_block - committed.from_block + 1
        self.outcome.logs += committed.logs
        self.outcome.fills += committed.fills
        self.outcome.unbalanced += committed.unbalanced
        elapsed = max(time.monotonic() - self._began, 1e-6)
        rate = covered / elapsed
        self._progress(
            {
                "stage": "chain",
                "done": covered,
                "total": total,
                "unit": "blocks",
                "rate": rate,
                "eta_seconds": (total - covered) / rate if covered else None,
                "message": f"{self.outcome.logs:,} logs, {self.outcome.logs / elapsed:,.0f} logs/s",
            }
        )


async def gathered(
    ranges: AsyncGenerator[ScannedRange, None], *, is_idle: Callable[[], bool]
) -> AsyncGenerator[ScannedRange, None]:
    """Neighbouring ranges as larger ones, so that the fixed cost of a transaction is shared.

    `is_idle` says whether the writer has nothing to do; then less is enough.
    """
    waiting: list[ScannedRange] = []
    since = time.monotonic()
    try:
        async for scanned in ranges:
            waiting.append(scanned)
            logs = sum(len(part.logs) for part in waiting)
            enough = _LOGS_WORTH_WRITING if is_idle() else _LOGS_PER_BATCH
            if logs >= enough or time.monotonic() - since >= _SECONDS_PER_BATCH:
                yield ScannedRange.united(waiting)
                waiting, since = [], time.monotonic()
    except UpstreamUnavailableError:
        if waiting:  # the run ends here: what has been read is not given up
            yield ScannedRange.united(waiting)
        raise
    else:
        if waiting:
            yield ScannedRange.united(waiting)
    finally:
        await ranges.aclose()
