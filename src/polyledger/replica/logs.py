"""Recorded logs, held so that large answers cost a copy and not a serialisation.

Every log is kept as the JSON text that a node would send, one after another in a single buffer; beside it stand a few
numpy columns to filter by. A filter yields row numbers, and the rows that follow each other are copied in one piece.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

# Odd constants with well spread bits (taken from the splitmix64 and xxHash generators): a topic's four 64-bit words
# are mixed to one, so that a filter compares a single column. Two topics share a mix with probability 2**-64.
_MIX = np.array(
    [0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0xC2B2AE3D27D4EB4F],
    dtype=np.uint64,
)
_MIX_OFFSET = np.uint64(0x165667B19E3779F9)


class LogRecord(msgspec.Struct, rename="camel", omit_defaults=True, gc=False):
    """One log as ``eth_getLogs`` returns it; all values are the hex strings of the wire."""

    address: str
    topics: list[str]
    data: str
    block_number: str
    transaction_hash: str
    transaction_index: str
    block_hash: str
    log_index: str
    block_timestamp: str | None = None
    removed: bool | None = None


class LogFilter(msgspec.Struct, frozen=True):
    """What ``eth_getLogs`` may ask for besides the range.

    Attributes:
        addresses: lower-case addresses of which one must be the emitter; None for any emitter.
        topics: for each topic position the values of which one must stand there; None for any value.
    """

    addresses: frozenset[str] | None = None
    topics: tuple[frozenset[str] | None, ...] = ()


def fingerprints(topics: Sequence[str]) -> Words:
    """One 64-bit mix for each topic given as 0x + 64 hex digits; shape (n,)."""
    raw = bytes.fromhex("".join(topic[2:] for topic in topics))
    if len(raw) != 32 * len(topics):
        raise ValueError(f"a topic is not 0x and 64 hex digits: {topics[:4]!r}")
    words = np.frombuffer(raw, dtype=">u8").astype(np.uint64).reshape(-1, 4)
    mixed: Words = (words * _MIX).sum(axis=1, dtype=np.uint64) + _MIX_OFFSET
    return mixed


class LogIndexBuilder:
    """Collects log records in chain order and makes a `LogIndex` of them."""

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder()
        self._text = bytearray()  # grown in place: a join would hold a large world twice
        self._lengths: list[npt.NDArray[np.int64]] = []
        self._blocks: list[npt.NDArray[np.int64]] = []
        self._addresses: list[npt.NDArray[np.int32]] = []
        self._topics: list[Words] = []
        self._transactions: list[Words] = []
        self._codes: dict[str, int] = {}

    def add(self, records: Sequence[LogRecord]) -> None:
        """Append records; the caller keeps them in the order of block and log index."""
        if not records:
            return
        encode = self._encoder.encode
        texts = [encode(record) for record in records]
        self._text += b",".join(texts)
        self._text += b","
        self._lengths.append(np.fromiter(map(len, texts), np.int64, len(texts)) + 1)
        self._blocks.append(
            np.fromiter((int(record.block_number, 16) for record in records), np.int64, len(records)),
        )
        codes = self._codes
        self._addresses.append(
            np.fromiter((codes.setdefault(record.address, len(codes)) for record in records), np.int32, len(records)),
        )
        counts = np.fromiter((len(record.topics) for record in records), np.int64, len(records))
        columns: Words = np.zeros((len(records), 4), dtype=np.uint64)
        flat = [topic for record in records for topic in record.topics]
        if flat:
            columns[np.arange(4) < counts[:, None]] = fingerprints(flat)
        self._topics.append(columns)
        self._transactions.append(fingerprints([record.transaction_hash for record in records]))

    def build(self) -> LogIndex:
        """The finished index; the builder is empty afterwards."""
        lengths = np.concatenate(self._lengths) if self._lengths else np.zeros(0, np.int64)
        offsets = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        index = LogIndex(
            text=self._text,
            offsets=offsets,
            blocks=np.concatenate(self._blocks) if self._blocks else np.zeros(0, np.int64),
            addresses=np.concatenate(self._addresses) if self._addresses else np.zeros(0, np.int32),
            topics=np.concatenate(self._topics) if self._topics else np.zeros((0, 4), np.uint64),
            transactions=np.concatenate(self._transactions) if self._transactions else np.zeros(0, np.uint64),
            codes=self._codes,
        )
        self.__init__()  # type: ignore[misc]
        return index


class LogIndex:
    """Logs in chain order, their text and the columns to filter by. Rows are numbered from 0."""

    def __init__(
        self,
        *,
        text: bytes | bytearray,
        offsets: Rows,
        blocks: Rows,
        addresses: npt.NDArray[np.int32],
        topics: Words,
        transactions: Words,
        codes: dict[str, int],
    ) -> None:
        self._text = memoryview(text)
        self._offsets = offsets
        self._blocks = blocks
        self._addresses = addresses
        self._topics = topics
        self._transactions = transactions
        self._codes = codes
        self._by_transaction: Rows | None = None

    @classmethod
    def of(cls, records: Iterable[LogRecord]) -> LogIndex:
        """An index of records that are in chain order already."""
        builder = LogIndexBuilder()
        builder.add(list(records))
        return builder.build()

    def __len__(self) -> int:
        return len(self._blocks)

    @property
    def addresses(self) -> list[str]:
        """Every emitter, in order of first appearance."""
        return list(self._codes)

    def blocks_of(self, rows: Rows) -> Rows:
        """Block numbers of those rows."""
        return self._blocks[rows]

    def select(self, wanted: LogFilter, from_block: int, to_block: int) -> Rows:
        """Rows that match within the closed block range, ascending."""
        first = int(np.searchsorted(self._blocks, from_block, side="left"))
        end = int(np.searchsorted(self._blocks, to_block, side="right"))
        if end <= first:
            return np.zeros(0, np.int64)
        mask: npt.NDArray[np.bool_] | None = None
        if wanted.addresses is not None:
            table = np.zeros(len(self._codes), np.bool_)
            table[[self._codes[address] for address in wanted.addresses if address in self._codes]] = True
            mask = table[self._addresses[first:end]]
        for position, values in enumerate(wanted.topics):
            if values is None:
                continue
            hit = _one_of(self._topics[first:end, position], fingerprints(sorted(values)))
            mask = hit if mask is None else mask & hit
        if mask is None:
            return np.arange(first, end)
        rows: Rows = np.flatnonzero(mask) + first
        return rows

    def of_transaction(self, transaction_hash: str) -> Rows:
        """Rows of one transaction, ascending; empty when it has no logs here."""
        if self._by_transaction is None:
            self._by_transaction = np.argsort(self._transactions, kind="stable")
        mixed = fingerprints([transaction_hash])[0]
        ordered = self._by_transaction
        first = int(np.searchsorted(self._transactions, mixed, side="left", sorter=ordered))
        end = int(np.searchsorted(self._transactions, mixed, side="right", sorter=ordered))
        return ordered[first:end]

    def pieces(self, rows: Rows) -> list[memoryview]:
        """The JSON texts of those rows with commas between them, without brackets, as views of the buffer."""
        if not len(rows):
            return []
        breaks = np.flatnonzero(np.diff(rows) != 1)
        firsts = rows[np.concatenate(([0], breaks + 1))]
        lasts = rows[np.concatenate((breaks, [len(rows) - 1]))]
        starts = self._offsets[firsts].tolist()
        ends = self._offsets[lasts + 1].tolist()
        ends[-1] -= 1  # without the comma behind the last one
        text = self._text
        return [text[start:end] for start, end in zip(starts, ends, strict=True)]

    def records(self, rows: Rows) -> list[LogRecord]:
        """Those rows as records."""
        return msgspec.json.decode(b"".join([b"[", *self.pieces(rows), b"]"]), type=list[LogRecord])


def _one_of(column: Words, values: Words) -> npt.NDArray[np.bool_]:
    """Which entries of the column are among the values; a few comparisons beat a sort."""
    if len(values) > 8:
        return np.isin(column, values)
    mask = np.zeros(len(column), np.bool_)
    for value in values:
        mask |= column == value
    return mask


def parse_filter(query: dict[str, Any]) -> LogFilter:
    """The address and topic part of an ``eth_getLogs`` parameter.

    Raises:
        ValueError: a part has another shape than the JSON-RPC specification allows.
    """
    addresses = query.get("address")
    if isinstance(addresses, str):
        addresses = [addresses]
    if addresses is not None and not (isinstance(addresses, list) and all(isinstance(a, str) for a in addresses)):
        raise ValueError("invalid argument 0: address is neither a string nor a list of strings")
    topics: list[frozenset[str] | None] = []
    for value in query.get("topics") or []:
        values = [value] if isinstance(value, str) else value
        if not values:
            topics.append(None)
        elif not all(isinstance(one, str) for one in values):
            raise ValueError("invalid argument 0: a topic is neither null, a string nor a list of strings")
        else:
            topics.append(frozenset(one.lower() for one in values))
    if len(topics) > 4:
        raise ValueError("exceed max topics")
    # An empty address list means "any", as it does to geth.
    return LogFilter(
        addresses=frozenset(address.lower() for address in addresses) if addresses else None,
        topics=tuple(topics),
    )
