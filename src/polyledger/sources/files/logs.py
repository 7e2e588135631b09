"""Raw logs and block headers as bulk providers deliver them → the columns that a scan of the chain gives.

Chain data is whole or worthless: a row that cannot be read refuses the file.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from polyledger.ctf.logs import NO_TIMESTAMP, LogColumns
from polyledger.domain.errors import UnreadableFileError
from polyledger.sources.chain_wire import Header
from polyledger.sources.files import numbers, values
from polyledger.sources.files.columns import recognise
from polyledger.sources.files.opening import RowBatch
from polyledger.sources.files.values import Numbers, Refused

LOG_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "address": ("address", "contractaddress"),
    "topics": ("topics",),
    "topic0": ("topic0",),
    "topic1": ("topic1",),
    "topic2": ("topic2",),
    "topic3": ("topic3",),
    "data": ("data",),
    "block_number": ("blocknumber", "number"),
    "block_hash": ("blockhash", "hash"),
    "transaction_hash": ("transactionhash", "txhash"),
    "transaction_index": ("transactionindex", "txindex"),
    "log_index": ("logindex",),
    "timestamp": ("blocktimestamp", "timestamp", "blocktime"),
    "parent_hash": ("parenthash",),
    "removed": ("removed",),
}
_OF_LOGS: Final = (
    "address", "data", "block_number", "block_hash", "transaction_hash", "transaction_index", "log_index",
)  # fmt: skip
_OF_BLOCKS: Final = ("block_number", "block_hash", "parent_hash", "timestamp")
_TOPICS: Final = ("topic0", "topic1", "topic2", "topic3")
_MOST_TOPICS: Final = 4


def log_columns(name: str, columns: Sequence[str], given: Mapping[str, str]) -> dict[str, str]:
    """Ours → theirs for a file of logs, or of block headers (which has no addresses).

    Raises:
        UnreadableFileError: a column that is needed is missing; names it.
    """
    found = recognise(LOG_NAMES, columns, given)
    wanted = _OF_LOGS if "address" in found or "data" in found else _OF_BLOCKS
    lacking = [ours for ours in wanted if ours not in found]
    if wanted is _OF_LOGS and "topics" not in found and "topic0" not in found:
        lacking.append("topics")
    if lacking:
        raise UnreadableFileError(
            f"{name} is not a file of logs: it has no {', no '.join(lacking)}; it has {', '.join(map(repr, columns))}",
            "Say which is which with --map, for example --map mycolumn=block_number",
        )
    return found


def is_of_blocks(columns: Mapping[str, str]) -> bool:
    """Whether a file holds block headers, no logs."""
    return "address" not in columns


def read_logs(batch: RowBatch, columns: Mapping[str, str]) -> LogColumns:
    """The logs of one batch, in the order of the file.

    Raises:
        UnreadableFileError: a row is malformed; names its number and value.
    """
    read = _Reader(batch, columns)
    topics, counts = read.topics()
    data, offset = read.data()
    count = batch.table.num_rows
    timestamp = np.full(count, NO_TIMESTAMP, np.int64)
    if "timestamp" in columns:
        found = read.times("timestamp")
        timestamp = np.where(found.missing, NO_TIMESTAMP, found.values)
    removed = np.zeros(count, np.bool_)
    if "removed" in columns:
        flags = batch.table.column(columns["removed"]).cast(pa.string()).to_pylist()
        removed = np.array([str(flag).lower() in {"true", "1"} for flag in flags], np.bool_)
    return LogColumns(
        block=read.quantity("block_number", (1 << 47) - 1),
        transaction_index=read.quantity("transaction_index", (1 << 16) - 1).astype(np.int32),
        log_index=read.quantity("log_index", (1 << 31) - 1).astype(np.int32),
        timestamp=timestamp,
        block_hash=read.fixed("block_hash", 32),
        transaction_hash=read.fixed("transaction_hash", 32),
        address=read.fixed("address", 20),
        topics=topics,
        topic_count=counts,
        removed=removed,
        data=data,
        data_offset=offset,
    )


def read_headers(batch: RowBatch, columns: Mapping[str, str]) -> dict[int, Header]:
    """The headers of one batch of a file of blocks, by number. Raises as read_logs."""
    read = _Reader(batch, columns)
    blocks = read.quantity("block_number", (1 << 47) - 1).tolist()
    hashes, parents = read.fixed("block_hash", 32), read.fixed("parent_hash", 32)
    stamps = read.times("timestamp")
    if stamps.missing.any():
        raise read.refused("timestamp", int(np.flatnonzero(stamps.missing)[0]), "nothing")
    return {
        block: Header(block, hashes[row].tobytes(), parents[row].tobytes(), int(stamps.values[row]), None)
        for row, block in enumerate(blocks)
    }


class _Reader:
    def __init__(self, batch: RowBatch, columns: Mapping[str, str]) -> None:
        self._batch = batch
        self._columns = columns
        if batch.bad:
            bad = batch.bad[0]
            raise UnreadableFileError(f"Row {bad.number} cannot be read: {bad.reason}", "Fetch the file again")

    def column(self, ours: str) -> pa.ChunkedArray:
        return self._batch.table.column(self._columns[ours])

    def refused(self, ours: str, row: int, shown: object) -> UnreadableFileError:
        number = int(self._batch.row_number[row])
        return UnreadableFileError(
            f"Row {number} has a malformed {self._columns[ours]}: {values.quote(shown)}",
            "Chain data must be whole, so nothing of this range was stored; fetch the file again",
        )

    def fixed(self, ours: str, width: int) -> NDArray[np.uint8]:
        return self._fixed(self.column(ours).combine_chunks(), ours, width)

    def _fixed(
        self, column: pa.Array, ours: str, width: int, rows: NDArray[np.int64] | None = None
    ) -> NDArray[np.uint8]:
        """The bytes of a column that has a value in each row; `rows` says which rows they are of, for the message."""
        kind = column.type
        if pa.types.is_dictionary(kind):
            column = column.cast(kind.value_type)
            kind = column.type
        if values.is_binary(kind):
            lengths = pc.fill_null(pc.binary_length(column), -1).to_numpy(zero_copy_only=False)
            fine = lengths == width
            raw = np.zeros((len(column), width), np.uint8)
            if fine.all() and len(column):
                exact = column.cast(pa.binary()).cast(pa.binary(width))
                start = exact.offset * width
                flat = np.frombuffer(exact.buffers()[1], np.uint8)[start : start + len(exact) * width]
                raw = flat.reshape(-1, width)
        else:
            raw, fine = values.from_hex(column.cast(pa.string()), width)
        if not fine.all():
            place = int(np.flatnonzero(~fine)[0])
            raise self.refused(ours, place if rows is None else int(rows[place]), column[place].as_py())
        return raw

    def quantity(self, ours: str, largest: int) -> NDArray[np.int64]:
        column = self.column(ours)
        if pa.types.is_integer(column.type):
            found = pc.fill_null(column.cast(pa.int64(), safe=False), -1).to_numpy()
        else:
            places, codes = values.distinct(values.as_text(column))
            known = [_quantity(text) for text in places.to_pylist()]
            found = np.array([*known, -1], np.int64)[codes]
        wrong = (found < 0) | (found > largest)
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise self.refused(ours, row, column[row].as_py())
        return np.asarray(found, np.int64)

    def times(self, ours: str) -> Numbers:
        column = self.column(ours)
        if pa.types.is_string(column.type) and len(column) and str(column[0].as_py()).startswith("0x"):
            return Numbers(self.quantity(ours, 1 << 40), np.zeros(len(column), np.bool_))
        read: Callable[..., tuple[Numbers, Refused]] = numbers.times
        found, refused = read(column, self._columns[ours])
        if refused.rows.any():
            row = int(np.flatnonzero(refused.rows)[0])
            raise self.refused(ours, row, column[row].as_py())
        return found

    def topics(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        count = self._batch.table.num_rows
        topics = np.zeros((count, _MOST_TOPICS, 32), np.uint8)
        if "topics" not in self._columns:
            counts = np.zeros(count, np.int64)
            for place, ours in enumerate(_TOPICS):
                if ours in self._columns:
                    self._topic_column(ours, place, topics, counts)
            return topics, counts.astype(np.uint8)
        column = self.column("topics").combine_chunks()
        if pa.types.is_string(column.type):
            bare = pc.replace_substring_regex(column, r'[\[\]"\s]', "")
            empty = pc.equal(pc.fill_null(bare, ""), "")
            column = pc.if_else(empty, pa.scalar([], pa.list_(pa.string())), pc.split_pattern(bare, ","))
        lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64)
        if (lengths > _MOST_TOPICS).any():
            row = int(np.flatnonzero(lengths > _MOST_TOPICS)[0])
            raise self.refused("topics", row, column[row].as_py())
        rows = np.repeat(np.arange(count), lengths)
        flat = pc.list_flatten(column)
        if len(flat):
            topics[np.arange(_MOST_TOPICS) < lengths[:, None]] = self._fixed(flat, "topics", 32, rows)
        return topics, lengths.astype(np.uint8)

    def _topic_column(self, ours: str, place: int, topics: NDArray[np.uint8], counts: NDArray[np.int64]) -> None:
        column = self.column(ours).combine_chunks()
        given = pc.fill_null(pc.greater(pc.binary_length(column), 0), False).to_numpy(zero_copy_only=False)
        rows = np.flatnonzero(given)
        if (counts[rows] != place).any():
            row = int(rows[counts[rows] != place][0])
            raise self.refused(ours, row, "a topic after a missing one")
        if len(rows):
            topics[rows, place] = self._fixed(column.take(pa.array(rows)), ours, 32, rows)
        counts[rows] += 1

    def data(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        column = self.column("data").combine_chunks()
        offset = np.zeros(len(column) + 1, np.int64)
        if values.is_binary(column.type):
            whole = pc.fill_null(column.cast(pa.large_binary()), b"")
            np.cumsum(pc.binary_length(whole).to_numpy(zero_copy_only=False), out=offset[1:])
            return np.frombuffer(b"".join(whole.to_pylist()), np.uint8), offset
        text = pc.fill_null(column.cast(pa.large_string()), "")
        text = pc.if_else(pc.equal(text, ""), "0x", text)
        digits = pc.utf8_slice_codeunits(text, start=2)
        lengths = pc.binary_length(digits).to_numpy(zero_copy_only=False)
        prefixed = pc.match_substring_regex(text, "^0[xX]").to_numpy(zero_copy_only=False)
        fine = prefixed & (lengths % 2 == 0)
        if not fine.all():
            row = int(np.flatnonzero(~fine)[0])
            raise self.refused("data", row, column[row].as_py())
        np.cumsum(lengths // 2, out=offset[1:])
        try:
            return np.frombuffer(binascii.unhexlify("".join(digits.to_pylist())), np.uint8), offset
        except ValueError:
            wrong = pc.invert(pc.match_substring_regex(digits, "^[0-9a-fA-F]*$")).to_numpy(zero_copy_only=False)
            row = int(np.flatnonzero(wrong)[0])
            raise self.refused("data", row, column[row].as_py()) from None


def _quantity(text: str) -> int:
    """A number as hex or decimal text; -1 for anything else."""
    try:
        return int(text, 16) if text[:2].lower() == "0x" else int(text)
    except ValueError:
        return -1
