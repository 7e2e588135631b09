"""Whether an answer may be believed: blooms, links between blocks, hashes, and logs that nobody asked for. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from polyledger.ctf.contracts import ContractSet, Role
from polyledger.ctf.keccak import keccak256
from polyledger.ctf.logs import LogColumns
from polyledger.domain.errors import SchemaMismatchError, SourceError, UpstreamUnavailableError
from polyledger.sources.chain_wire import AMM_TOPICS, Header, Query, padded_address

_BLOOM_BYTES = 256
_BLOOM_BITS = 2047


class ReorgDetectedError(SourceError):
    """The chain has changed below what was read. `number` is the newest block whose hash no longer fits."""

    def __init__(self, number: int) -> None:
        super().__init__(
            f"The chain has reorganised: block {number} has been replaced by another",
            "Roll back to the newest block that both branches share, and go on from there",
        )
        self.number = number


class InconsistentAnswerError(UpstreamUnavailableError):
    """Parts of an answer contradict each other, as they do while the chain reorganises; asking again helps."""


def bloom_positions(item: bytes) -> tuple[tuple[int, int], ...]:
    """The (byte, mask) pairs that `item` (an address or a topic) sets in a header's bloom filter."""
    digest = keccak256(item)
    bits = (int.from_bytes(digest[place : place + 2], "big") & _BLOOM_BITS for place in (0, 2, 4))
    return tuple((_BLOOM_BYTES - 1 - bit // 8, 1 << (bit % 8)) for bit in bits)


class Watched:
    """What our queries look for, in the form in which a block's bloom filter can exclude it."""

    def __init__(self, contracts: ContractSet, accounts: Sequence[bytes] | None) -> None:
        items: list[bytes] = [*contracts.log_addresses]
        if contracts.transfer_collaterals:
            items += contracts.transfer_collaterals if accounts is None else map(padded_address, accounts)
        if contracts.with_role(Role.FPMM_FACTORY):
            items += AMM_TOPICS
        self._positions = [bloom_positions(item) for item in items]

    def is_excluded_by(self, header: Header) -> bool:
        """Whether the header proves that the block holds none of our logs. Without a bloom filter: false."""
        bloom = header.logs_bloom
        if bloom is None or len(bloom) != _BLOOM_BYTES:
            return False
        return not any(all(bloom[byte] & mask for byte, mask in positions) for positions in self._positions)


def verify_answer(query: Query, logs: LogColumns, from_block: int, to_block: int) -> None:
    """Raise SchemaMismatchError when an answer holds logs that `query` did not ask for: a filter that is ignored."""
    if not len(logs):
        return
    if int(logs.block.min()) < from_block or int(logs.block.max()) > to_block:
        raise _foreign(f"logs outside of the blocks {from_block} to {to_block}")
    if query.addresses and not _all_among(logs.address, query.addresses):
        raise _foreign("logs of contracts that were not asked for")
    for place, choices in enumerate(query.topics):
        if choices is not None and not _all_among(logs.topics[:, place], choices):
            raise _foreign(f"logs with other topics than those asked for (place {place})")


def merged(parts: Sequence[LogColumns]) -> LogColumns:
    """All logs of `parts` in order, each once.

    Raises:
        InconsistentAnswerError: answers contradict each other or hold logs taken back, as during a reorg; ask again.
    """
    logs = LogColumns.concat(list(parts))
    key = (logs.block << 32) | logs.log_index
    order = np.argsort(key, kind="stable")
    again = np.concatenate([[False], key[order][1:] == key[order][:-1]])[: len(order)]
    if again.any():
        copies, originals = order[again], order[np.flatnonzero(again) - 1]
        if not bool((logs.transaction_hash[copies] == logs.transaction_hash[originals]).all()):
            raise InconsistentAnswerError("Two answers of one request give different logs for the same place")
    if again.any() or not bool((order[1:] > order[:-1]).all()):
        logs = logs.take(order[~again])  # sorted and thinned at once: moving the data is what costs
    _refuse_removed(logs)
    neighbours = np.flatnonzero(logs.block[1:] == logs.block[:-1])
    words = logs.block_hash[:, :8].copy().view(np.uint64)[:, 0]
    if not bool((words[neighbours] == words[neighbours + 1]).all()):
        raise InconsistentAnswerError("Logs of one block carry different block hashes")
    return logs


def verify_hashes(logs: LogColumns, headers: Iterable[Header]) -> None:
    """Raise InconsistentAnswerError when logs carry another hash than the header of their block: ask again."""
    for header in headers:
        first, last = np.searchsorted(logs.block, [header.number, header.number + 1])
        expected = np.frombuffer(header.hash, dtype=np.uint8)
        if first < last and not bool((logs.block_hash[first:last] == expected).all()):
            raise InconsistentAnswerError(f"The logs and the header of block {header.number} are of different branches")


def contradicts_bloom(logs: LogColumns, header: Header, watched: Watched) -> bool:
    """Whether a block has logs of ours although its bloom filter denies it: then such filters prove nothing."""
    first, last = np.searchsorted(logs.block, [header.number, header.number + 1])
    return bool(first < last) and watched.is_excluded_by(header)


def blocks_without_timestamp(logs: LogColumns) -> list[int]:
    """The numbers of the blocks whose logs came without a timestamp."""
    return [int(number) for number in np.unique(logs.block[logs.timestamp < 0])]


def with_timestamps(logs: LogColumns, timestamps: dict[int, int]) -> LogColumns:
    """`logs` with the missing timestamps taken from `timestamps` (block → seconds)."""
    numbers = np.array(sorted(timestamps), dtype=np.int64)
    seconds = np.array([timestamps[int(number)] for number in numbers], dtype=np.int64)
    missing = logs.timestamp < 0
    filled = logs.timestamp.copy()
    filled[missing] = seconds[np.searchsorted(numbers, logs.block[missing])]
    return replace(logs, timestamp=filled)


def accounts_named(logs: LogColumns, topics: Sequence[bytes]) -> dict[bytes, int]:
    """Addresses in the first two indexed arguments of logs with one of `topics`, each with the block that named it."""
    if not len(logs):
        return {}
    named: dict[bytes, int] = {}
    prefixes = _prefixes(topics)
    for place in np.flatnonzero(np.isin(_first_eight(logs.topics[:, 0]), prefixes)):
        for argument in (1, 2):
            if argument < int(logs.topic_count[place]):
                named.setdefault(logs.topics[place, argument, 12:].tobytes(), int(logs.block[place]))
    return named


def _refuse_removed(logs: LogColumns) -> None:
    if bool(logs.removed.any()):
        raise InconsistentAnswerError("A node answered with logs that a reorg has taken back")


def _all_among(values: NDArray[np.uint8], choices: Sequence[bytes]) -> bool:
    # Eight bytes tell an ignored filter from a kept one; this is no defence against forged addresses.
    return bool(np.isin(_tails(values), _prefixes([choice[-8:] for choice in choices])).all())


def _tails(values: NDArray[np.uint8]) -> NDArray[np.uint64]:
    return np.ascontiguousarray(values[:, -8:]).view(np.uint64)[:, 0]


def _first_eight(values: NDArray[np.uint8]) -> NDArray[np.uint64]:
    return np.ascontiguousarray(values[:, :8]).view(np.uint64)[:, 0]


def _prefixes(values: Sequence[bytes]) -> NDArray[np.uint64]:
    return np.frombuffer(b"".join(value[:8] for value in values), dtype=np.uint64)


def _foreign(what: str) -> SchemaMismatchError:
    return SchemaMismatchError(
        f"A node answered eth_getLogs with {what}: it does not keep to the filter",
        "Use another endpoint in chain.rpc_url",
    )
