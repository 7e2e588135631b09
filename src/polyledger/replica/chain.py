"""The chain as a node sees it: a head that may move, and a branch that may replace the last blocks."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass

import msgspec
import numpy as np

from polyledger.replica.logs import LogFilter, LogIndex, LogRecord, Rows
from polyledger.replica.world import World

_BLOCK_SECONDS = 2
_EVERYTHING = LogFilter()


class HeadPlan(msgspec.Struct, forbid_unknown_fields=True):
    """Where the head stands at first, and how it moves on.

    Attributes:
        start: block number of the head at the beginning; None for the end of the world.
        stop: where it comes to rest; None for the end of the world. Past the end empty blocks are served.
        per_request: blocks that each HTTP request to the node adds.
        per_second: blocks that each second adds.
    """

    start: int | None = None
    stop: int | None = None
    per_request: float = 0.0
    per_second: float = 0.0


class BranchPlan(msgspec.Struct, forbid_unknown_fields=True):
    """A branch that stands in for the recorded blocks ``fork + 1 … fork + depth``.

    Attributes:
        fork: the last block that the branch shares with the recording.
        depth: blocks in the branch; while it is served the head is at most ``fork + depth``.
        salt: makes the hashes of this branch differ from those of another one at the same place.
        shift: take the transactions from that many blocks further on, so that they are seen early.
        drop: hashes of transactions that the branch lacks.
        logs: the logs of the branch in full, instead of those made from the recording.
        until_head: the branch is given up as soon as the head would pass this number; None: until told.
    """

    fork: int
    depth: int
    salt: str = ""
    shift: int = 0
    drop: list[str] = []
    logs: list[LogRecord] | None = None
    until_head: int | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """One block as the node knows it now. Hashes are 0x hex, the timestamp is in seconds."""

    number: int
    hash: str
    parent_hash: str
    timestamp: int


@dataclass(frozen=True, slots=True)
class _Branch:
    plan: BranchPlan
    logs: LogIndex
    hashes: dict[int, str]

    @property
    def tip(self) -> int:
        return self.plan.fork + self.plan.depth


class Chain:
    """The recorded world with a head and, at times, a branch. Not safe for use from several threads at once."""

    def __init__(self, world: World, head: HeadPlan | None = None) -> None:
        self.world = world
        self._branch: _Branch | None = None
        self.set_head(head or HeadPlan())

    def set_head(self, plan: HeadPlan) -> None:
        """Follow another plan from now on."""
        self._plan = plan
        self._base = self.world.to_block if plan.start is None else plan.start
        self._since = time.monotonic()
        self._requests = 0

    def set_branch(self, plan: BranchPlan | None) -> None:
        """Serve that branch from now on; None goes back to the recording."""
        self._branch = None
        if plan is not None:
            self._branch = self._make_branch(plan)

    def count_request(self) -> None:
        """One more HTTP request has reached the node."""
        self._requests += 1

    @property
    def head(self) -> int:
        """Number of the newest block."""
        plan = self._plan
        moved = self._requests * plan.per_request + (time.monotonic() - self._since) * plan.per_second
        stop = max(self._base, self.world.to_block if plan.stop is None else plan.stop)
        head = min(self._base + int(moved), stop)
        branch = self._branch
        if branch is None:
            return head
        if branch.plan.until_head is not None and head > branch.plan.until_head:
            self._branch = None
            return head
        return min(head, branch.tip)

    @property
    def revision(self) -> tuple[int, str]:
        """Changes whenever the visible chain does; keys what is derived from it."""
        head = self.head
        return head, "" if self._branch is None else self._branch.hashes[self._branch.tip]

    def segments(self, from_block: int, to_block: int) -> list[tuple[LogIndex, int, int]]:
        """The indices that hold the logs of a closed block range, each with its part of the range, in order."""
        branch = self._branch
        if branch is None:
            return [(self.world.logs, from_block, to_block)]
        fork = branch.plan.fork
        parts = [(self.world.logs, from_block, min(to_block, fork)), (branch.logs, max(from_block, fork + 1), to_block)]
        return [(index, first, last) for index, first, last in parts if first <= last]

    def select(self, wanted: LogFilter, from_block: int, to_block: int) -> list[tuple[LogIndex, Rows]]:
        """Matching rows of a closed block range, for each index that holds some of it."""
        found = [
            (index, index.select(wanted, first, last)) for index, first, last in self.segments(from_block, to_block)
        ]
        return [(index, rows) for index, rows in found if len(rows)]

    def records(self, wanted: LogFilter, from_block: int, to_block: int) -> list[LogRecord]:
        """Matching logs of a closed block range as records, in chain order."""
        return [record for index, rows in self.select(wanted, from_block, to_block) for record in index.records(rows)]

    def transaction_records(self, transaction_hash: str) -> list[LogRecord]:
        """All logs of a transaction on the visible chain; empty when there are none."""
        head = self.head
        return [
            record
            for index, first, last in self.segments(0, head)
            for record in index.records(np.sort(index.of_transaction(transaction_hash)))
            if first <= int(record.block_number, 16) <= last
        ]

    def block_transactions(self, number: int) -> list[str]:
        """Hashes of the transactions of a block, in order."""
        recorded = self.world.blocks.get(number)
        if recorded is not None and recorded.transactions and not self._on_branch(number):
            return recorded.transactions
        return list(dict.fromkeys(record.transaction_hash for record in self.records(_EVERYTHING, number, number)))

    def header(self, number: int) -> Header:
        """The header of a block that is not past the head; made up, but consistent, outside the recording."""
        parent = self._hash(number - 1) if number else "0x" + "0" * 64
        return Header(number, self._hash(number), parent, self._timestamp(number))

    def _on_branch(self, number: int) -> bool:
        branch = self._branch
        return branch is not None and branch.plan.fork < number <= branch.tip

    def _hash(self, number: int) -> str:
        if self._branch is not None and number in self._branch.hashes:
            return self._branch.hashes[number]
        recorded = self.world.blocks.get(number)
        if recorded is not None:
            return recorded.hash
        following = self.world.blocks.get(number + 1)
        if following is not None and following.parent_hash:
            return following.parent_hash
        return _made_up_hash(self.world.name, number)

    def _timestamp(self, number: int) -> int:
        recorded = self.world.blocks.get(number)
        if recorded is not None:
            return int(recorded.timestamp, 16)
        edge = self.world.from_block if number < self.world.from_block else self.world.to_block
        if number not in range(self.world.from_block, self.world.to_block + 1) and edge in self.world.blocks:
            return max(0, int(self.world.blocks[edge].timestamp, 16) + (number - edge) * _BLOCK_SECONDS)
        before = max((known for known in self.world.blocks if known < number), default=None)
        return 0 if before is None else int(self.world.blocks[before].timestamp, 16)

    def _make_branch(self, plan: BranchPlan) -> _Branch:
        hashes = {
            number: _made_up_hash(f"{self.world.name}/branch/{plan.fork}/{plan.salt}", number)
            for number in range(plan.fork + 1, plan.fork + plan.depth + 1)
        }
        if plan.logs is None:
            first, last = plan.fork + 1 + plan.shift, plan.fork + plan.depth + plan.shift
            source = self.world.logs.records(self.world.logs.select(_EVERYTHING, first, last))
        else:
            source = plan.logs
        dropped = frozenset(plan.drop)
        kept = [record for record in source if record.transaction_hash not in dropped]
        shift = 0 if plan.logs is not None else plan.shift
        return _Branch(plan, LogIndex.of(self._moved(kept, shift, hashes)), hashes)

    def _moved(self, records: list[LogRecord], shift: int, hashes: dict[int, str]) -> list[LogRecord]:
        """The records at their place on a branch: block, hash, time and the running numbers within the block."""
        moved: list[LogRecord] = []
        in_block: dict[int, int] = {}
        transactions: dict[int, dict[str, int]] = {}
        for record in records:
            number = int(record.block_number, 16) - shift
            seen = transactions.setdefault(number, {})
            in_block[number] = in_block.get(number, -1) + 1
            moved.append(
                msgspec.structs.replace(
                    record,
                    block_number=hex(number),
                    block_hash=hashes[number],
                    log_index=hex(in_block[number]),
                    transaction_index=hex(seen.setdefault(record.transaction_hash, len(seen))),
                    block_timestamp=hex(self._timestamp(number)),
                )
            )
        return moved


def _made_up_hash(name: str, number: int) -> str:
    return "0x" + hashlib.sha256(f"{name}#{number}".encode()).hexdigest()
