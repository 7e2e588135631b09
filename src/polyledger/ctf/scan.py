"""The fast way to read an ``eth_getLogs`` answer: by the positions of its quotation marks.

Nodes write all logs of an answer alike: the same keys in the same order, without blanks, hex strings of known width.
Then every value stands at a distance from its key that can be computed for all logs at once, and no object per log is
made. The shape is checked, not assumed: on the slightest deviation `scan_logs` gives up, and the caller reads the
answer the ordinary way, which also words the error if there is one.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]
Bytes = NDArray[np.uint8]

QUANTITIES: Final = ("blockNumber", "transactionIndex", "logIndex", "blockTimestamp")
_WIDTHS: Final = {"address": 42, "blockHash": 66, "transactionHash": 66}
_REQUIRED: Final = frozenset({"topics", "data", "blockNumber", "transactionIndex", "logIndex", *_WIDTHS})
_OPTIONAL: Final = frozenset({"blockTimestamp", "removed"})
_TOPIC: Final = 66
_TOPIC_STEP: Final = _TOPIC + len('"",')
_MOST_TOPICS: Final = 4
_WORD_DIGITS: Final = 64
_QUANTITY_DIGITS: Final = 16
_BETWEEN_LOGS: Final = b"},{"
_PIECE: Final = 1_500_000
_PREFIX: Final = int.from_bytes(b"0x", "little")
# For a quantity of so many digits: which of the sixteen bytes before its end are its own, and zeros for the others.
_OWN_DIGITS: Final = np.where(np.tri(_QUANTITY_DIGITS, k=-1, dtype=np.bool_)[:, ::-1], 0xFF, 0).astype(np.uint8)
_PADDING: Final = np.where(_OWN_DIGITS, 0, ord("0")).astype(np.uint8)
_QUOTE, _COLON, _OPEN, _CLOSE, _BRACE = b'":[]{'


class _UnusualError(Exception):
    """The answer does not have the usual shape."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """The fields of n logs: quantities as int64, hashes, addresses and topics as bytes, data with its offsets."""

    quantities: dict[str, NDArray[np.int64]]
    fixed: dict[str, Bytes]
    topics: Bytes
    topic_count: NDArray[np.uint8]
    removed: NDArray[np.bool_]
    data: Bytes
    data_offset: NDArray[np.int64]


def scan_logs(answer: msgspec.Raw | bytes) -> list[Scanned] | None:
    """The logs of an answer of the usual shape with at least one log, in pieces, or None for any other answer.

    The syntax of plain bytes is checked first; a ``msgspec.Raw`` is part of a document that has been parsed already.
    """
    try:
        if not isinstance(answer, msgspec.Raw):
            answer = msgspec.json.decode(answer, type=msgspec.Raw)
        return [_Piece(piece).scan() for piece in _pieces(bytes(answer))]
    except (_UnusualError, binascii.Error, msgspec.DecodeError, UnicodeDecodeError):
        return None


def _pieces(text: bytes) -> Iterator[bytes]:
    """The logs of the array `text`, cut between logs into pieces that a processor's cache can hold."""
    _require(text.startswith(b"[{") and text.endswith(b"}]"))
    start = 1
    while start < len(text):
        cut = text.find(_BETWEEN_LOGS, start + _PIECE)
        end = len(text) - 1 if cut < 0 else cut + 1
        yield text[start:end]
        start = end + 1


def _require(fits: bool | np.bool_) -> None:
    if not fits:
        raise _UnusualError


class _Piece:
    """Some logs and where their strings stand: string i from ``start[i]`` up to ``end[i]``, its closing quote."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.buffer: Bytes = np.frombuffer(text, dtype=np.uint8)
        self.count = int(np.count_nonzero(self.buffer == _BRACE))
        # With one brace and one bracket per log nothing is nested, and no string hides either (nor a cut within it).
        _require(self.count > 0 and int(np.count_nonzero(self.buffer == _OPEN)) == self.count)
        _require(b"\\" not in text)
        quotes = np.flatnonzero(self.buffer == _QUOTE)
        self.start = quotes[0::2] + 1
        self.end = quotes[1::2]

    def scan(self) -> Scanned:
        keys, names = self._keys()
        following = np.append(keys.ravel()[1:], len(self.start)).reshape(keys.shape)
        column = {name: keys[:, number] for number, name in enumerate(names)}
        strings = {name: following[:, number] - keys[:, number] - 1 for number, name in enumerate(names)}
        for name in names:
            if name not in {"topics", "removed"}:
                _require(
                    (strings[name] == 1).all() and (self.start[column[name] + 1] == self.end[column[name]] + 3).all()
                )
        topics, topic_count = self._topics(column["topics"], strings["topics"])
        data, offset = self._data(column["data"] + 1)
        removed = np.zeros(self.count, dtype=np.bool_)
        if "removed" in column:
            removed = self._flags(column["removed"], strings["removed"])
        return Scanned(
            quantities={name: self._quantity(column[name] + 1) for name in QUANTITIES if name in column},
            fixed={name: self._fixed(column[name] + 1, width) for name, width in _WIDTHS.items()},
            topics=topics,
            topic_count=topic_count,
            removed=removed,
            data=data,
            data_offset=offset,
        )

    def _keys(self) -> tuple[Positions, list[str]]:
        """Which strings are keys, (logs, keys per log), and their names: the same in all logs, in the same order."""
        flat = np.flatnonzero(self.buffer[self.end + 1] == _COLON)
        _require(len(flat) % self.count == 0)
        keys: Positions = flat.reshape(self.count, -1)
        names = [self.text[self.start[key] : self.end[key]].decode("ascii") for key in keys[0]]
        _require(len(set(names)) == len(names) and _REQUIRED <= set(names) <= _REQUIRED | _OPTIONAL)
        start = self.start[keys]
        _require((self.end[keys] - start == np.array([len(name) for name in names])).all())
        for number, name in enumerate(names):
            literal = self._windows(len(name))[start[:, number]]
            _require(literal.tobytes() == name.encode() * self.count)
        # Every brace stands right before a first key, so no log borrows a key from its neighbour.
        _require((self.buffer[start[:, 0] - 2] == _BRACE).all())
        return keys, names

    def _topics(self, key: Positions, count: Positions) -> tuple[Bytes, NDArray[np.uint8]]:
        _require((count <= _MOST_TOPICS).all() and (self.buffer[self.end[key] + 2] == _OPEN).all())
        first = self.end[key] + 4
        inside = np.arange(_MOST_TOPICS) < count[:, None]
        strings = (key[:, None] + 1 + np.arange(_MOST_TOPICS))[inside]
        start = (first[:, None] + _TOPIC_STEP * np.arange(_MOST_TOPICS))[inside]
        _require((self.start[strings] == start).all() and (self.end[strings] - start == _TOPIC).all())
        closing = self.end[key] + 3 + np.maximum(count * _TOPIC_STEP - 1, 0)
        _require((self.buffer[closing] == _CLOSE).all())
        topics = np.zeros((self.count, _MOST_TOPICS, 32), dtype=np.uint8)
        topics[inside] = self._digits(start, _TOPIC)
        return topics, count.astype(np.uint8)

    def _fixed(self, strings: Positions, width: int) -> Bytes:
        start = self.start[strings]
        _require((self.end[strings] - start == width).all())
        return self._digits(start, width)

    def _digits(self, start: Positions, width: int) -> Bytes:
        """The bytes of hex strings of `width` characters, prefix included, as (n, bytes each)."""
        self._prefixed(start)
        digits = self._windows(width - 2)[start + 2].tobytes()
        return np.frombuffer(binascii.unhexlify(digits), dtype=np.uint8).reshape(len(start), width // 2 - 1)

    def _data(self, strings: Positions) -> tuple[Bytes, NDArray[np.int64]]:
        start = self.start[strings]
        self._prefixed(start)
        length = self.end[strings] - start - 2
        _require((length % _WORD_DIGITS == 0).all() and (length >= 0).all())
        words = length // _WORD_DIGITS
        offset = np.zeros(self.count + 1, dtype=np.int64)
        np.cumsum(words, out=offset[1:])
        item = np.arange(offset[-1]) - np.repeat(offset[:-1], words)
        digits = self._windows(_WORD_DIGITS)[np.repeat(start + 2, words) + _WORD_DIGITS * item].tobytes()
        return np.frombuffer(binascii.unhexlify(digits), dtype=np.uint8), offset * 32

    def _quantity(self, strings: Positions) -> NDArray[np.int64]:
        start, end = self.start[strings], self.end[strings]
        self._prefixed(start)
        length = end - start - 2
        # The sixteenth digit from the right would make the number larger than any quantity here may be.
        _require((length > 0).all() and (length < _QUANTITY_DIGITS).all())
        digits = self._windows(_QUANTITY_DIGITS)[end - _QUANTITY_DIGITS].view(np.uint8).reshape(-1, _QUANTITY_DIGITS)
        padded = (digits & _OWN_DIGITS[length]) | _PADDING[length]
        return np.frombuffer(binascii.unhexlify(padded.tobytes()), dtype=">u8").astype(np.int64)

    def _flags(self, key: Positions, strings: Positions) -> NDArray[np.bool_]:
        value = self.buffer[self.end[key] + 2]
        flags: NDArray[np.bool_] = value == ord("t")
        _require((strings == 0).all() and (flags | (value == ord("f"))).all())
        return flags

    def _prefixed(self, start: Positions) -> None:
        pairs: NDArray[np.uint16] = np.ndarray((len(self.text) - 1,), dtype="<u2", buffer=self.text, strides=(1,))
        _require((pairs[start] == _PREFIX).all())

    def _windows(self, width: int) -> NDArray[np.void]:
        """Item i is the `width` bytes from position i on; taking from it copies whole items at a time."""
        shape = (max(len(self.text) - width + 1, 0),)
        return np.ndarray(shape, dtype=f"V{width}", buffer=self.text, strides=(1,))
