"""Logs in columns: the wire form of ``eth_getLogs`` answers as a few flat arrays.

The hex of one field of all logs is joined and converted at once, so that no Python code runs per byte and little runs
per log.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from polyledger.ctf.scan import Scanned, scan_logs
from polyledger.domain.errors import SchemaMismatchError

NO_TIMESTAMP: Final = -1
_LARGEST: Final = {
    "blockNumber": (1 << 47) - 1,
    "transactionIndex": (1 << 16) - 1,
    "logIndex": (1 << 31) - 1,
    "blockTimestamp": 1 << 40,
}
_WORD_TEXT: Final = 66
_ADDRESS_TEXT: Final = 42
_MOST_TOPICS: Final = 4
_PREFIX: Final = np.frombuffer(b"0x", dtype=np.uint8)


class _WireLog(msgspec.Struct, gc=False):
    address: str
    topics: list[str]
    data: str
    blockNumber: str  # noqa: N815 - names on the wire
    transactionHash: str  # noqa: N815
    transactionIndex: str  # noqa: N815
    blockHash: str  # noqa: N815
    logIndex: str  # noqa: N815
    blockTimestamp: str | None = None  # noqa: N815
    removed: bool = False


_DECODER: Final = msgspec.json.Decoder(list[_WireLog])


@dataclass(frozen=True, slots=True)
class LogColumns:
    """n logs. Topics beyond ``topic_count`` are zero; the data of log i is ``data[data_offset[i]:data_offset[i + 1]]``.

    ``timestamp`` is in seconds, -1 where the node did not give it; ``removed`` marks logs a node took back in a reorg.
    """

    block: NDArray[np.int64]
    transaction_index: NDArray[np.int32]
    log_index: NDArray[np.int32]
    timestamp: NDArray[np.int64]
    block_hash: NDArray[np.uint8]
    transaction_hash: NDArray[np.uint8]
    address: NDArray[np.uint8]
    topics: NDArray[np.uint8]
    topic_count: NDArray[np.uint8]
    removed: NDArray[np.bool_]
    data: NDArray[np.uint8]
    data_offset: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.block)

    @property
    def transaction(self) -> NDArray[np.int64]:
        """The key of each log's transaction: block << 16 | transaction index."""
        return (self.block << 16) | self.transaction_index

    @staticmethod
    def empty() -> LogColumns:
        """No logs."""
        return _no_logs()

    @staticmethod
    def concat(parts: Sequence[LogColumns]) -> LogColumns:
        """The logs of all parts, in that order."""
        parts = [part for part in parts if len(part)]
        if not parts:
            return _no_logs()
        if len(parts) == 1:
            return parts[0]
        starts = np.cumsum([0, *(len(part.data) for part in parts)])
        columns = {
            field.name: np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(LogColumns)
            if field.name != "data_offset"
        }
        offsets = [part.data_offset[:-1] + start for part, start in zip(parts, starts[:-1], strict=True)]
        return LogColumns(**columns, data_offset=np.concatenate([*offsets, starts[-1:]]).astype(np.int64))

    def sort(self) -> LogColumns:
        """The same logs by (block, log index)."""
        key = (self.block << 32) | self.log_index
        if len(key) < 2 or bool((key[1:] >= key[:-1]).all()):
            return self
        return self.take(np.argsort(key, kind="stable"))

    def take(self, index: NDArray[np.integer] | NDArray[np.bool_]) -> LogColumns:
        """The logs at the positions `index` (or where a boolean `index` is true), in that order."""
        if index.dtype == np.bool_:
            index = np.flatnonzero(index)
        starts = self.data_offset[:-1][index]
        lengths = self.data_offset[1:][index] - starts
        offset = np.zeros(len(index) + 1, dtype=np.int64)
        np.cumsum(lengths, out=offset[1:])
        # Data of events is whole words nearly always, and moving words is many times faster than moving bytes.
        width = 32 if not ((starts | lengths) % 32).any() and len(self.data) % 32 == 0 else 1
        units = self.data.reshape(-1, width)
        # The source position of each unit: its own place, shifted by how far its log moved.
        source = np.arange(offset[-1] // width) + np.repeat((starts - offset[:-1]) // width, lengths // width)
        columns = {
            field.name: getattr(self, field.name)[index]
            for field in fields(LogColumns)
            if field.name not in {"data", "data_offset"}
        }
        return LogColumns(**columns, data=units[source].reshape(-1), data_offset=offset)

    def data_of(self, position: int) -> bytes:
        """The data of one log."""
        return self.data[self.data_offset[position] : self.data_offset[position + 1]].tobytes()


def columns_from_results(results: Sequence[msgspec.Raw | bytes]) -> LogColumns:
    """Columns of all logs in `results`, each of which is the JSON of one ``eth_getLogs`` result (an array of logs).

    Raises:
        SchemaMismatchError: a field is missing or malformed; the message names it.
    """
    return LogColumns.concat([_columns_from_result(result) for result in results])


def _columns_from_result(result: msgspec.Raw | bytes) -> LogColumns:
    pieces = scan_logs(result)
    if pieces is None or not all(_in_range(piece) for piece in pieces):
        return _columns_by_parsing(result)
    return LogColumns.concat([_columns_of(piece) for piece in pieces])


def _columns_of(scanned: Scanned) -> LogColumns:
    no_timestamps = np.full(len(scanned.removed), NO_TIMESTAMP, dtype=np.int64)
    return LogColumns(
        block=scanned.quantities["blockNumber"],
        transaction_index=scanned.quantities["transactionIndex"].astype(np.int32),
        log_index=scanned.quantities["logIndex"].astype(np.int32),
        timestamp=scanned.quantities.get("blockTimestamp", no_timestamps),
        block_hash=scanned.fixed["blockHash"],
        transaction_hash=scanned.fixed["transactionHash"],
        address=scanned.fixed["address"],
        topics=scanned.topics,
        topic_count=scanned.topic_count,
        removed=scanned.removed,
        data=scanned.data,
        data_offset=scanned.data_offset,
    )


def _in_range(scanned: Scanned) -> bool:
    return all(int(values.max()) <= _LARGEST[name] for name, values in scanned.quantities.items())


def _columns_by_parsing(result: msgspec.Raw | bytes) -> LogColumns:
    """The ordinary way, for answers of any JSON shape; errors name the field."""
    try:
        logs = _DECODER.decode(result)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SchemaMismatchError(
            f"An eth_getLogs answer does not have the documented shape: {error}",
            "Try another endpoint in chain.rpc_url",
        ) from error
    if not logs:
        return _no_logs()
    topics, counts = _topics([log.topics for log in logs])
    data, offset = _ragged([log.data for log in logs], "data")
    return LogColumns(
        block=_integers([log.blockNumber for log in logs], "blockNumber"),
        transaction_index=_integers([log.transactionIndex for log in logs], "transactionIndex").astype(np.int32),
        log_index=_integers([log.logIndex for log in logs], "logIndex").astype(np.int32),
        timestamp=_timestamps([log.blockTimestamp for log in logs]),
        block_hash=_fixed([log.blockHash for log in logs], _WORD_TEXT, "blockHash"),
        transaction_hash=_fixed([log.transactionHash for log in logs], _WORD_TEXT, "transactionHash"),
        address=_fixed([log.address for log in logs], _ADDRESS_TEXT, "address"),
        topics=topics,
        topic_count=counts,
        removed=np.fromiter((log.removed for log in logs), dtype=np.bool_, count=len(logs)),
        data=data,
        data_offset=offset,
    )


def _fixed(texts: list[str], width: int, field: str) -> NDArray[np.uint8]:
    """The bytes of equally long hex strings, as (n, bytes each)."""
    joined = _ascii("".join(texts), field, texts)
    if len(joined) != width * len(texts):
        raise _malformed(field, texts, lambda text: len(text) == width)
    table = np.frombuffer(joined, dtype=np.uint8).reshape(len(texts), width)
    if not bool((table[:, :2] == _PREFIX).all()):
        raise _malformed(field, texts, lambda text: len(text) == width and text.startswith("0x"))
    return _from_hex(table[:, 2:].tobytes(), field, texts).reshape(len(texts), -1)


def _topics(lists: list[list[str]]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    counts = np.fromiter(map(len, lists), dtype=np.int64, count=len(lists))
    if int(counts.max()) > _MOST_TOPICS:
        raise _malformed("topics", [str(one) for one in lists if len(one) > _MOST_TOPICS], lambda _: False)
    flat = list(chain.from_iterable(lists))
    topics = np.zeros((len(lists), _MOST_TOPICS, 32), dtype=np.uint8)
    if flat:
        topics[np.arange(_MOST_TOPICS) < counts[:, None]] = _fixed(flat, _WORD_TEXT, "topics")
    return topics, counts.astype(np.uint8)


def _ragged(texts: list[str], field: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The joined bytes of hex strings of any even length, and where each starts."""
    joined = _ascii("".join(texts), field, texts)
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    if bool((lengths < 2).any()) or bool((lengths % 2).any()):
        raise _malformed(field, texts, lambda text: len(text) >= 2 and len(text) % 2 == 0)
    ends = np.cumsum(lengths)
    starts = ends - lengths
    table = np.frombuffer(joined, dtype=np.uint8)
    if not bool((table[starts] == _PREFIX[0]).all()) or not bool((table[starts + 1] == _PREFIX[1]).all()):
        raise _malformed(field, texts, lambda text: text.startswith("0x"))
    offset = np.zeros(len(texts) + 1, dtype=np.int64)
    np.cumsum(lengths // 2 - 1, out=offset[1:])
    # "x" is no hex digit, so in a well-formed answer this removes the prefixes and nothing else.
    digits = joined.replace(b"0x", b"")
    if len(digits) != 2 * int(offset[-1]):
        raise _malformed(field, texts, _is_hex)
    return _from_hex(digits, field, texts), offset


def _from_hex(digits: bytes, field: str, texts: list[str]) -> NDArray[np.uint8]:
    try:
        return np.frombuffer(binascii.unhexlify(digits), dtype=np.uint8)
    except binascii.Error:
        raise _malformed(field, texts, _is_hex) from None


def _integers(texts: list[str], field: str) -> NDArray[np.int64]:
    """Hex quantities. Neighbours repeat (logs of one block and transaction), so each distinct text is parsed once."""
    known: dict[str, int] = {}
    for text in set(texts):
        try:
            number = int(text, 16) if text.startswith("0x") else -1
        except ValueError:
            number = -1
        if not 0 <= number <= _LARGEST[field]:
            raise _malformed(field, [text], lambda _: False)
        known[text] = number
    return np.fromiter(map(known.__getitem__, texts), dtype=np.int64, count=len(texts))


def _timestamps(texts: list[str | None]) -> NDArray[np.int64]:
    given = [text for text in texts if text is not None]
    timestamps = np.full(len(texts), NO_TIMESTAMP, dtype=np.int64)
    if given:
        present = np.fromiter((text is not None for text in texts), dtype=np.bool_, count=len(texts))
        timestamps[present] = _integers(given, "blockTimestamp")
    return timestamps


def _ascii(text: str, field: str, texts: list[str]) -> bytes:
    try:
        return text.encode("ascii")
    except UnicodeEncodeError:
        raise _malformed(field, texts, str.isascii) from None


def _is_hex(text: str) -> bool:
    try:
        bytes.fromhex(text[2:])
    except ValueError:
        return False
    return True


def _malformed(field: str, texts: Sequence[str], is_fine: Callable[[str], bool]) -> SchemaMismatchError:
    offender = next((text for text in texts if not is_fine(text)), "")
    shown = offender if len(offender) <= 80 else offender[:80] + "…"
    return SchemaMismatchError(
        f"A log in an eth_getLogs answer has a malformed {field}: {shown!r}", "Try another endpoint in chain.rpc_url"
    )


def _no_logs() -> LogColumns:
    return LogColumns(
        block=np.zeros(0, np.int64),
        transaction_index=np.zeros(0, np.int32),
        log_index=np.zeros(0, np.int32),
        timestamp=np.zeros(0, np.int64),
        block_hash=np.zeros((0, 32), np.uint8),
        transaction_hash=np.zeros((0, 32), np.uint8),
        address=np.zeros((0, 20), np.uint8),
        topics=np.zeros((0, 4, 32), np.uint8),
        topic_count=np.zeros(0, np.uint8),
        removed=np.zeros(0, np.bool_),
        data=np.zeros(0, np.uint8),
        data_offset=np.zeros(1, np.int64),
    )
