"""Reading the logs of one event, all at once.

A `Reader` holds the logs of one event layout whose *structure* fits (topic count, data length, arrays where the ABI
puts them). Its methods return one array per argument and note every log whose *value* does not fit, with the reason: a
log is either read exactly or refused, never guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from polyledger.ctf.events import Argument, Event
from polyledger.ctf.logs import LogColumns

Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

_ADDRESS_PADDING: Final = 12
_WORD: Final = 32


@dataclass(frozen=True, slots=True)
class Source:
    """Logs with whole-word data, and the two views of that data that all readers share."""

    logs: LogColumns
    words: Bytes
    quarters: NDArray[np.uint64]
    first_word: Integers
    word_count: Integers

    @staticmethod
    def of(logs: LogColumns) -> Source:
        """Views over `logs`, whose data must be whole 32-byte words."""
        offsets = logs.data_offset // _WORD
        words = logs.data.reshape(-1, _WORD)
        return Source(logs, words, _quarters(words), offsets[:-1], np.diff(offsets))


@dataclass(frozen=True, slots=True)
class Arrays:
    """One array argument of n logs: the words of log i are ``words[offsets[i]:offsets[i + 1]]``."""

    words: Bytes
    offsets: Integers

    @property
    def lengths(self) -> Integers:
        """How many elements each log has."""
        return np.diff(self.offsets)

    @property
    def owner(self) -> Integers:
        """For each element the position of the log it belongs to."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.lengths)

    @property
    def item(self) -> Integers:
        """For each element its index within its log."""
        return np.arange(len(self.words)) - np.repeat(self.offsets[:-1], self.lengths)


class Reader:
    """The logs of `event` among the rows `rows` of `source`; those of another structure are refused at once.

    Attributes:
        rows: positions in the source of the logs that can be read.
        refused: (positions, reason) of those that cannot be for their structure.
    """

    def __init__(self, source: Source, event: Event, rows: Integers) -> None:
        self._source = source
        self._event = event
        self.refused: list[tuple[Integers, str]] = []
        self._tails: dict[str, tuple[Integers, Integers]] = {}
        fits = source.logs.topic_count[rows] == event.topic_count
        rows = self._keep(rows, fits, f"{event.name}: {event.topic_count} topics expected")
        self.rows = self._structure(rows)
        self._bad = np.zeros(len(self.rows), dtype=np.bool_)
        self._reasons: list[tuple[Mask, str]] = []

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def contract(self) -> Bytes:
        """The emitting addresses, (n, 20)."""
        return self._source.logs.address[self.rows]

    def refuse(self, bad: Mask, reason: str) -> None:
        """Refuse the logs where `bad` is true; the first reason given for a log stands."""
        fresh = bad & ~self._bad
        if bool(fresh.any()):
            self._reasons.append((fresh, f"{self._event.name}: {reason}"))
            self._bad |= fresh

    def accepted(self) -> Mask:
        """Which of `rows` are read exactly; the others are added to `refused`."""
        self.refused.extend((self.rows[mask], reason) for mask, reason in self._reasons)
        self._reasons = []
        return ~self._bad

    def word(self, name: str) -> Bytes:
        """The 32 bytes as they stand, (n, 32); for bytes29 and bytes31 the padding must be zero."""
        argument = self._event.argument(name)
        words = self._words(argument)
        width = int(argument.type[5:]) if argument.type.startswith("bytes") and argument.type != "bytes" else _WORD
        if width < _WORD:
            self.refuse(np.any(words[:, width:] != 0, axis=1), f"{name} has bits beyond {argument.type}")
        return words

    def address(self, name: str) -> Bytes:
        """The addresses, (n, 20); the twelve bytes before must be zero."""
        words = self._words(self._event.argument(name))
        padding = words.view(np.uint32)[:, : _ADDRESS_PADDING // 4]
        self.refuse((padding[:, 0] | padding[:, 1] | padding[:, 2]) != 0, f"{name} is not an address")
        return np.ascontiguousarray(words[:, _ADDRESS_PADDING:])

    def amount(self, name: str, below: int = 1 << 63) -> Integers:
        """Unsigned integers that must be `below`, which is at most 2^63."""
        argument = self._event.argument(name)
        if argument.indexed:
            quarters = _quarters(np.ascontiguousarray(self._words(argument)))
        else:
            quarters = self._source.quarters[self._source.first_word[self.rows] + argument.slot]
        values, fits = _small(quarters, below)
        self.refuse(~fits, f"{name} is {_name(below)} or more")
        return values

    def array(self, name: str) -> Arrays:
        """The elements of a dynamic array, as words."""
        starts, lengths = self._tails[name]
        offsets = np.zeros(len(self.rows) + 1, dtype=np.int64)
        np.cumsum(lengths, out=offsets[1:])
        index = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
        return Arrays(self._source.words[index], offsets)

    def amounts(self, name: str) -> tuple[Integers, Arrays]:
        """The elements of a dynamic array as integers, which must be below 2^63."""
        array = self.array(name)
        values, fits = _small(_quarters(array.words), 1 << 63)
        if not bool(fits.all()):
            bad = np.zeros(len(self.rows), dtype=np.bool_)
            bad[array.owner[~fits]] = True
            self.refuse(bad, f"{name} holds 2^63 or more")
        return values, array

    def _words(self, argument: Argument) -> Bytes:
        if argument.indexed:
            topics: Bytes = self._source.logs.topics[self.rows, argument.slot]
            return topics
        words: Bytes = self._source.words[self._source.first_word[self.rows] + argument.slot]
        return words

    def _keep(self, rows: Integers, fits: Mask, reason: str) -> Integers:
        if bool(fits.all()):
            return rows
        self.refused.append((rows[~fits], reason))
        return rows[fits]

    def _structure(self, rows: Integers) -> Integers:
        """The rows whose data has the length and the offsets that the ABI gives this layout."""
        event, source = self._event, self._source
        reason = f"{event.name}: the data does not fit the layout"
        if not event.dynamic:
            return self._keep(rows, source.word_count[rows] == event.head_words, reason)
        rows = self._keep(rows, source.word_count[rows] >= event.head_words, reason)
        start, count = source.first_word[rows], source.word_count[rows]
        position = np.full(len(rows), event.head_words, dtype=np.int64)
        fits = np.ones(len(rows), dtype=np.bool_)
        for argument in event.dynamic:
            offset, small = _small(source.quarters[start + argument.slot], 1 << 32)
            # Where an earlier check failed, look at the first word instead: never outside the log.
            fits &= small & (offset == position * _WORD) & (position < count)
            length, small = _small(source.quarters[start + np.where(fits, position, 0)], 1 << 32)
            fits &= small
            tail = -(-length // _WORD) if argument.type == "bytes" else length
            self._tails[argument.name] = (start + position + 1, length)
            position = position + 1 + np.where(fits, tail, 0)
            fits &= position <= count
        fits &= position == count
        self._tails = {name: (starts[fits], lengths[fits]) for name, (starts, lengths) in self._tails.items()}
        return self._keep(rows, fits, reason)


def is_zero(words: Bytes) -> Mask:
    """Which of the 32-byte words are zero."""
    quarters = np.ascontiguousarray(words).view(np.uint64)
    zero: Mask = (quarters[:, 0] | quarters[:, 1] | quarters[:, 2] | quarters[:, 3]) == 0
    return zero


def address_array(values: Bytes) -> pa.Array:
    """(n, 20) bytes as fixed_size_binary(20), without a copy where possible."""
    return _binary(values, 20)


def word_array(values: Bytes, valid: Mask | None = None) -> pa.Array:
    """(n, 32) bytes as fixed_size_binary(32); null where `valid` is false."""
    return _binary(values, _WORD, valid)


def list_array(values: pa.Array, offsets: Integers) -> pa.Array:
    """A list per log from flat values."""
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), values)


def _binary(values: Bytes, width: int, valid: Mask | None = None) -> pa.Array:
    buffer = pa.py_buffer(np.ascontiguousarray(values))
    validity = None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(pa.binary(width), len(values), [validity, buffer])


def _quarters(words: Bytes) -> NDArray[np.uint64]:
    """Each 32-byte word as four big-endian 64-bit numbers, (n, 4)."""
    return words.view(">u8").reshape(-1, 4)


def _small(quarters: NDArray[np.uint64], below: int) -> tuple[Integers, Mask]:
    """The words as integers, and where they are `below`; elsewhere the value is 0."""
    low = quarters[:, 3].astype(np.uint64)
    fits = (low < np.uint64(below)) & ((quarters[:, 0] | quarters[:, 1] | quarters[:, 2]) == 0)
    return np.where(fits, low, np.uint64(0)).astype(np.int64), fits


def _name(below: int) -> str:
    return "2^63" if below == 1 << 63 else str(below)
