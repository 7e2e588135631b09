"""Columns of a file to ids in their normal form, and which rows cannot be read, and why.

Ids are worked on once per distinct value; no Python code runs per row.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from polyledger.domain.errors import MalformedIdError, UnreadableFileError
from polyledger.domain.ids import normal_condition, token_bytes

Mask = NDArray[np.bool_]
# How files write "no value" where an id is wanted.
MISSING: Final = frozenset({"", "null", "none", "nan", "n/a", "na", "unknown", "undefined", "0x"})
_SHOWN: Final = 90


@dataclass(frozen=True, slots=True)
class Refused:
    """Rows whose value in one column cannot be read. `reason` says it for one row."""

    rows: Mask
    reason: Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Coded:
    """A column of ids: the distinct ones, and per row the place of its own; -1 where there is none."""

    values: pa.Array
    codes: NDArray[np.int64]

    def take(self, rows: NDArray[np.int64]) -> Coded:
        """The same for some of the rows."""
        return Coded(self.values, self.codes[rows])


@dataclass(frozen=True, slots=True)
class Numbers:
    """A column of whole numbers; `missing` where there is none."""

    values: NDArray[np.int64]
    missing: Mask

    def take(self, rows: NDArray[np.int64]) -> Numbers:
        """The same for some of the rows."""
        return Numbers(self.values[rows], self.missing[rows])

    def array(self, kind: pa.DataType) -> pa.Array:
        """As an Arrow column."""
        return pa.array(self.values, mask=self.missing).cast(kind)


# --- ids


def tokens(column: pa.ChunkedArray, theirs: str) -> tuple[Coded, Refused]:
    """Position ids (decimal text, or 32 bytes) as 32 bytes.

    Raises:
        UnreadableFileError: the column holds floating-point numbers, which have lost most digits of an id.
    """
    if pa.types.is_floating(column.type):
        value = pc.drop_null(column)
        shown = value[0].as_py() if len(value) else "nothing"
        raise UnreadableFileError(
            f"The column {theirs!r} holds token ids as floating-point numbers, such as {shown}: they are not ids, "
            "because a double keeps 16 of their 77 digits",
            f"Write the column as text where the file is made, or leave it out with --map {theirs}=-",
        )
    return _coded(column, theirs, 32, _token)


def conditions(column: pa.ChunkedArray, theirs: str) -> tuple[Coded, Refused]:
    """Condition ids as 32 bytes."""
    return _coded(column, theirs, 32, lambda text: bytes.fromhex(normal_condition(text)[2:]))


def addresses(column: pa.ChunkedArray, theirs: str) -> tuple[Coded, Refused]:
    """Addresses as 20 bytes."""
    return _coded_hex(column, theirs, 20, "an address: 0x and 40 hex digits", keep_zero=True)


def hashes(column: pa.ChunkedArray, theirs: str) -> tuple[Coded, Refused]:
    """Transaction hashes as 32 bytes."""
    return _coded_hex(column, theirs, 32, "a transaction hash: 0x and 64 hex digits", keep_zero=False)


def texts(column: pa.ChunkedArray) -> tuple[Coded, Refused]:
    """Slugs and labels as they are written; blanks at the ends go."""
    values, codes = distinct(as_text(column))
    trimmed = [None if text is None or not text.strip() else text.strip() for text in values.to_pylist()]
    found = pa.array(trimmed, pa.string())
    places = np.where(found.is_null().to_numpy(zero_copy_only=False), -1, np.arange(len(found)))
    return Coded(found, _looked_up(places, codes)), nothing(len(codes))


def market_ids(column: pa.ChunkedArray, theirs: str) -> tuple[Coded, Refused]:
    """Market ids: decimal text without blanks and leading zeros."""

    def read(text: str) -> bytes:
        whole = text.removesuffix(".0")
        if not (whole.isascii() and whole.isdigit() and len(whole) <= 18):
            raise MalformedIdError(f"{quote(text)} is not a market id", "A market id is a decimal number")
        return str(int(whole)).encode()

    coded, refused = _coded(column, theirs, 0, read)
    return Coded(coded.values.cast(pa.string()), coded.codes), refused


def _token(text: str) -> bytes:
    lowered = text.lower()
    if "e+" in lowered or "." in lowered:
        raise MalformedIdError(
            f"{quote(text)} is a floating-point number, not a token id: most digits are lost", "Write ids as text"
        )
    return token_bytes(text)


def _coded(column: pa.ChunkedArray, theirs: str, width: int, read: Callable[[str], bytes]) -> tuple[Coded, Refused]:
    if is_binary(column.type):
        return _coded_binary(column, theirs, width)
    values, codes = distinct(as_text(column))
    known: dict[bytes, int] = {}
    places = np.full(len(values), -1, np.int64)
    reasons: dict[int, str] = {}
    zero = bytes(width)
    for place, raw in enumerate(values.to_pylist()):
        text = "" if raw is None else raw.strip()
        if text.lower() in MISSING:
            continue
        try:
            value = read(text)
        except MalformedIdError as error:
            reasons[place] = f"{theirs}: {error.what}"
            continue
        if value != zero:
            places[place] = known.setdefault(value, len(known))
    return _result(pa.array(list(known), pa.binary(width or -1)), places, codes, reasons)


def _coded_hex(
    column: pa.ChunkedArray, theirs: str, width: int, kind: str, *, keep_zero: bool
) -> tuple[Coded, Refused]:
    if is_binary(column.type):
        return _coded_binary(column, theirs, width)
    values, codes = _values(as_text(column))
    raw, fine = from_hex(values, width)
    places = np.full(len(values), -1, np.int64)
    rows = np.flatnonzero(fine if keep_zero else fine & raw.any(axis=1))
    binary = fixed(raw[rows], width)
    encoded = pc.dictionary_encode(binary)
    places[rows] = encoded.indices.to_numpy()
    reasons = {}
    for place in np.flatnonzero(~fine).tolist():
        text = values[place].as_py()
        if text is not None and text.strip().lower() not in MISSING:
            reasons[place] = f"{theirs}: {quote(text)} is not {kind}"
    return _result(encoded.dictionary, places, codes, reasons)


def _coded_binary(column: pa.ChunkedArray, theirs: str, width: int) -> tuple[Coded, Refused]:
    values, codes = distinct(column.cast(pa.binary()))
    lengths = pc.fill_null(pc.binary_length(values), 0).to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(lengths == width)
    places = np.full(len(values), -1, np.int64)
    places[rows] = np.arange(len(rows))
    reasons = {
        int(place): f"{theirs}: 0x{values[int(place)].as_py()[:_SHOWN].hex()} has not {width} bytes"
        for place in np.flatnonzero((lengths != width) & (lengths > 0))
    }
    return _result(values.take(pa.array(rows)).cast(pa.binary(width)), places, codes, reasons)


def _result(
    values: pa.Array, places: NDArray[np.int64], codes: NDArray[np.int64], reasons: dict[int, str]
) -> tuple[Coded, Refused]:
    coded = Coded(values, _looked_up(places, codes))
    if not reasons:
        return coded, nothing(len(codes))
    wrong = np.zeros(len(places) + 1, np.bool_)
    wrong[list(reasons)] = True
    return coded, Refused(wrong[codes], lambda row: reasons[int(codes[row])])


def _looked_up(places: NDArray[np.int64], codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Per row the place of its distinct value; the code -1 (null) finds the -1 at the end."""
    return np.append(places, -1)[codes]


def distinct(column: pa.ChunkedArray) -> tuple[pa.Array, NDArray[np.int64]]:
    """The distinct values, and per row the place of its own, -1 for null."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    column = column.unify_dictionaries()
    if not column.num_chunks:
        return pa.array([], column.type.value_type), np.zeros(0, np.int64)
    codes = [pc.fill_null(chunk.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False) for chunk in column.chunks]
    return column.chunk(0).dictionary, np.concatenate(codes)


def _values(column: pa.ChunkedArray) -> tuple[pa.Array, NDArray[np.int64]]:
    """As `distinct`, but values that do not come as a dictionary are taken as they are, equal ones several times."""
    if pa.types.is_dictionary(column.type):
        return distinct(column)
    values = column.combine_chunks()
    codes = np.arange(len(values))
    return values, np.where(values.is_valid().to_numpy(zero_copy_only=False), codes, -1) if values.null_count else codes


def as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column as text, by dictionary where it was."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return column if pa.types.is_string(kind.value_type) else column.cast(pa.string())
    return column if pa.types.is_string(kind) else column.cast(pa.string())


def is_binary(kind: pa.DataType) -> bool:
    """Whether a column holds bytes."""
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))


def from_hex(values: pa.Array, width: int) -> tuple[NDArray[np.uint8], Mask]:
    """The bytes of ``0x`` hex texts, as (n, width), and which of the texts are such. Others give zeros."""
    count = len(values)
    raw = np.zeros((count, width), np.uint8)
    digits = 2 + 2 * width
    texts = values.cast(pa.large_string()) if count else values
    length = pc.fill_null(pc.binary_length(texts), 0).to_numpy(zero_copy_only=False) if count else np.zeros(0)
    fine = length == digits
    rows = np.flatnonzero(fine)
    if not len(rows):
        return raw, fine
    chosen = texts if len(rows) == count else texts.take(pa.array(rows))
    start = int(np.frombuffer(chosen.buffers()[1], np.int64)[chosen.offset])
    table = np.frombuffer(chosen.buffers()[2], np.uint8, len(rows) * digits, start).reshape(-1, digits)
    prefixed = (table[:, 0] == ord("0")) & ((table[:, 1] | 0x20) == ord("x"))
    try:
        decoded = binascii.unhexlify(np.ascontiguousarray(table[:, 2:]).data)
        raw[rows] = np.frombuffer(decoded, np.uint8).reshape(-1, width)
        fine[rows] = prefixed
    except binascii.Error:
        fine[rows] = prefixed & _hex_digits(table[:, 2:]).all(axis=1)
        good = np.flatnonzero(fine[rows])
        decoded = binascii.unhexlify(np.ascontiguousarray(table[good, 2:]).data)
        raw[rows[good]] = np.frombuffer(decoded, np.uint8).reshape(-1, width)
    raw[~fine] = 0
    return raw, fine


def _hex_digits(table: NDArray[np.uint8]) -> Mask:
    lowered = table | 0x20
    return ((table >= 48) & (table <= 57)) | ((lowered >= 97) & (lowered <= 102))


def fixed(raw: NDArray[np.uint8], width: int) -> pa.Array:
    """Rows of bytes as a fixed-width Arrow array."""
    buffer = pa.py_buffer(np.ascontiguousarray(raw).tobytes())
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(raw), [None, buffer])


def sides(column: pa.ChunkedArray, theirs: str) -> tuple[Numbers, Refused]:
    """0 BUY, 1 SELL."""
    known = {"buy": 0, "b": 0, "0": 0, "sell": 1, "s": 1, "1": 1}
    return _choice(column, theirs, known, "neither BUY nor SELL")


def roles(column: pa.ChunkedArray, theirs: str) -> tuple[Numbers, Refused]:
    """0 maker, 1 taker."""
    return _choice(column, theirs, {"maker": 0, "taker": 1}, "neither maker nor taker")


def _choice(column: pa.ChunkedArray, theirs: str, known: dict[str, int], wrong: str) -> tuple[Numbers, Refused]:
    values, codes = distinct(as_text(column))
    places = np.full(len(values), -1, np.int64)
    reasons = {}
    for place, raw in enumerate(values.to_pylist()):
        text = "" if raw is None else raw.strip().lower()
        if text in known:
            places[place] = known[text]
        elif text not in MISSING:
            reasons[place] = f"{theirs}: {quote(raw)} is {wrong}"
    coded, refused = _result(values, places, codes, reasons)
    return Numbers(np.maximum(coded.codes, 0), coded.codes < 0), refused


# --- words


def nothing(count: int) -> Refused:
    """No row refused."""
    return Refused(np.zeros(count, np.bool_), lambda row: f"row {row}")


def quote(text: object) -> str:
    shown = str(text)
    return repr(shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "…")


def quote_at(column: pa.ChunkedArray, row: int) -> str:
    """The value of a row for a message."""
    return quote(column[row].as_py())


def shown_values(table: pa.Table, rows: Sequence[int]) -> list[dict[str, Any]]:
    """Some rows as they were read, for the file of rejects."""
    return [
        {name: value if value is None else str(value) for name, value in row.items()}
        for row in table.take(pa.array(rows, pa.int64())).to_pylist()
    ]
