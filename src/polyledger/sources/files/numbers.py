"""Columns of a file to exact amounts, whole numbers and times; by the column, no Python code runs per row."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from polyledger.domain.amounts import LARGEST_AMOUNT, MICRO
from polyledger.sources.files.values import MISSING, Mask, Numbers, Refused, as_text, distinct, quote_at

_EXACT_BELOW: Final = 9e9  # micro-units of larger amounts do not fit a double exactly
_FIRST_TIME, _LAST_TIME = 1_000_000_000, 4_102_444_800  # 2001 and 2100
_UNKNOWN_OUTCOME: Final = frozenset({-1, 999})
_LARGEST_OUTCOME: Final = 255
_FIFTEEN: Final = 10**15
_EIGHTEEN: Final = 10**18


def integers(column: pa.ChunkedArray, theirs: str, largest: int, kind: str) -> tuple[Numbers, Refused]:
    """Whole numbers from 0 to `largest`; ``3.0``, as tables with gaps write it, is 3."""
    values, missing, wrong = _doubles(column)
    fine = ~missing & ~wrong & (values >= 0) & (values <= largest) & (np.floor(values) == values)
    if largest > 1 << 53:
        fine &= values < float(1 << 63)
    found = np.where(fine, values, 0).astype(np.int64)
    if largest > 1 << 53:  # a double does not hold all of them
        rows = np.flatnonzero(fine & (values > float(1 << 53)))
        found[rows] = [int(Decimal(column[int(row)].as_py())) for row in rows]
    refused = ~missing & ~fine
    return Numbers(found, ~fine), Refused(refused, lambda row: f"{theirs}: {quote_at(column, row)} is not {kind}")


def outcome_indexes(column: pa.ChunkedArray, theirs: str) -> tuple[Numbers, Refused]:
    """Outcome indexes; -1 and 999 say that the writer did not know."""
    values, missing, _ = _doubles(column)
    unknown = np.isin(values, list(_UNKNOWN_OUTCOME)) & ~missing
    numbers, refused = integers(column, theirs, _LARGEST_OUTCOME, "an outcome index")
    rows = refused.rows & ~unknown
    return Numbers(numbers.values, numbers.missing | unknown), Refused(rows, refused.reason)


def amounts(column: pa.ChunkedArray, theirs: str) -> tuple[Numbers, Refused]:
    """Decimal numbers from 0 as millionths, rounded half to even where there are more decimals than six."""
    values, missing, wrong = _doubles(column)
    fine = ~missing & ~wrong & np.isfinite(values) & (values >= 0) & (values < LARGEST_AMOUNT / MICRO)
    small = fine & (values < _EXACT_BELOW)
    found = np.rint(np.where(small, values, 0) * MICRO).astype(np.int64)
    for row in np.flatnonzero(fine & ~small).tolist():
        exact = Decimal(str(column[row].as_py())) * MICRO
        found[row] = min(int(exact.to_integral_value(ROUND_HALF_EVEN)), LARGEST_AMOUNT)
    refused = ~missing & ~fine
    return Numbers(found, ~fine), Refused(refused, lambda row: f"{theirs}: {quote_at(column, row)} is not an amount")


def prices(column: pa.ChunkedArray, theirs: str) -> tuple[NDArray[np.float64], Mask, Refused]:
    """Prices from 0 to 1 as doubles, and where there is none."""
    values, missing, wrong = _doubles(column)
    fine = ~missing & ~wrong & (values >= 0) & (values <= 1)
    refused = Refused(~missing & ~fine, lambda row: f"{theirs}: {quote_at(column, row)} is not a price from 0 to 1")
    return np.where(fine, values, 0.0), ~fine, refused


def value_of(shares: NDArray[np.int64], price: NDArray[np.float64]) -> NDArray[np.int64]:
    """shares × price in millionths, rounded half to even, without the errors of a product of doubles.

    The price is the shortest decimal that the double stands for, taken to eighteen decimals. The product is divided by
    estimate and remainder: the remainder is exact although it is computed in 64 bits, because it is small.
    """
    short = np.rint(price * _FIFTEEN)
    exact = np.where(short / _FIFTEEN == price, short * 1000, np.rint(price * _EIGHTEEN)).astype(np.uint64)
    estimate = np.rint(shares * price)
    quotient = estimate.astype(np.int64)
    with np.errstate(over="ignore"):
        product = shares.astype(np.uint64) * exact
        remainder = (product - quotient.astype(np.uint64) * np.uint64(_EIGHTEEN)).view(np.int64)
    half = _EIGHTEEN // 2
    up = (remainder > half) | ((remainder == half) & (quotient % 2 == 1))
    down = (remainder < -half) | ((remainder == -half) & (quotient % 2 == 1))
    rounded: NDArray[np.int64] = quotient + up - down
    return rounded


def precision(kind: pa.DataType) -> float:
    """The relative error that a column's kind of number has; 0 where it is exact at the sizes that occur."""
    if pa.types.is_float16(kind):
        return 2.0**-10
    return 2.0**-23 if pa.types.is_float32(kind) else 0.0


def _doubles(column: pa.ChunkedArray) -> tuple[NDArray[np.float64], Mask, Mask]:
    """The numbers of a column as doubles; where there is none; where there is something else."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    nothing = np.zeros(len(column), np.bool_)
    if pa.types.is_float32(kind) or pa.types.is_float16(kind):
        column = column.cast(pa.string())  # the shortest decimal, not the binary value behind it
        kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        found = column.cast(pa.float64(), safe=False)
        missing = found.is_null().to_numpy()
        values = pc.fill_null(found, 0.0).to_numpy()
        if pa.types.is_floating(kind):
            missing = missing | np.isnan(values)
        return np.where(missing, 0.0, values), missing, nothing
    if not pa.types.is_string(kind) and not pa.types.is_large_string(kind):
        return np.zeros(len(column)), column.is_null().to_numpy(), ~column.is_null().to_numpy()
    try:
        found = column.cast(pa.float64())
    except pa.ArrowInvalid:
        return _doubles_of_mixed(column)
    missing = found.is_null().to_numpy()
    values = pc.fill_null(found, 0.0).to_numpy()
    missing = missing | np.isnan(values)
    return np.where(missing, 0.0, values), missing, nothing


def _doubles_of_mixed(column: pa.ChunkedArray) -> tuple[NDArray[np.float64], Mask, Mask]:
    values, codes = distinct(column)
    numbers = np.zeros(len(values) + 1)
    missing = np.zeros(len(values) + 1, np.bool_)
    wrong = np.zeros(len(values) + 1, np.bool_)
    missing[-1] = True
    for place, raw in enumerate(values.to_pylist()):
        text = raw.strip()
        if text.lower() in MISSING:
            missing[place] = True
            continue
        try:
            numbers[place] = float(Decimal(text))
        except (InvalidOperation, ValueError):
            wrong[place] = True
    return numbers[codes], missing[codes], wrong[codes]


# --- times


def times(column: pa.ChunkedArray, theirs: str) -> tuple[Numbers, Refused]:
    """Times as seconds since 1970, UTC: epochs in seconds, ms, µs or ns by their size, ISO texts, Arrow's own times.

    A text without a zone is UTC.
    """
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        seconds = column.cast(pa.timestamp("s"), safe=False) if pa.types.is_date(kind) else _floored(column)
        missing = seconds.is_null().to_numpy()
        values = pc.fill_null(seconds.cast(pa.int64()), 0).to_numpy()
        wrong = np.zeros(len(values), np.bool_)
    else:
        doubles, missing, wrong = _doubles(column)
        values = _epoch_seconds(doubles)
        rows = np.flatnonzero(wrong)
        if len(rows):
            found, fine = _iso(column.take(pa.array(rows)))
            values[rows[fine]] = found[fine]
            wrong[rows[fine]] = False
    fine_time = (values >= _FIRST_TIME) & (values < _LAST_TIME)
    refused = ~missing & (wrong | ~fine_time)
    return (
        Numbers(np.where(refused, 0, values), missing | refused),
        Refused(refused, lambda row: f"{theirs}: {quote_at(column, row)} is not a time between 2001 and 2100"),
    )


def _floored(column: pa.ChunkedArray) -> pa.ChunkedArray:
    plain = column.cast(pa.timestamp(column.type.unit, tz="UTC")) if column.type.tz else column
    return pc.floor_temporal(plain, unit="second").cast(pa.timestamp("s", tz=plain.type.tz), safe=False)


def _epoch_seconds(values: NDArray[np.float64]) -> NDArray[np.int64]:
    size = np.abs(values)
    scale = np.select([size >= 1e17, size >= 1e14, size >= 1e11], [1e9, 1e6, 1e3], 1.0)
    return np.asarray(np.clip(np.floor(values / scale), -9e15, 9e15), np.int64)


def _iso(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], Mask]:
    """Seconds of ISO texts, and which are such."""
    text = pc.replace_substring_regex(as_text(column).cast(pa.string()), r"\s*(UTC|GMT)\s*$", "Z")
    seconds = np.zeros(len(text), np.int64)
    fine = np.zeros(len(text), np.bool_)
    zoned = pc.fill_null(pc.match_substring_regex(text, r"(Z|[+-]\d\d:?\d\d)$"), False).to_numpy()
    for mask, kind in ((zoned, pa.timestamp("us", tz="UTC")), (~zoned, pa.timestamp("us"))):
        rows = np.flatnonzero(mask)
        if not len(rows):
            continue
        part = text.take(pa.array(rows))
        try:
            micros = part.cast(kind).cast(pa.int64()).to_numpy()
            seconds[rows], fine[rows] = micros // MICRO, True
        except pa.ArrowInvalid:
            seconds[rows], fine[rows] = _iso_one_by_one(part)
    return seconds, fine


def _iso_one_by_one(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], Mask]:
    values, codes = distinct(column)
    seconds = np.zeros(len(values), np.int64)
    fine = np.zeros(len(values), np.bool_)
    for place, text in enumerate(values.to_pylist()):
        try:
            moment = datetime.fromisoformat(text.strip())
        except ValueError:
            continue
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds[place], fine[place] = int(aware.timestamp() // 1), True
    return seconds[codes], fine[codes]
