"""Rows of a file of trades → ids, amounts and times as the ledger keeps them, and the rows that cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from polyledger.sources.files import numbers, values
from polyledger.sources.files.opening import RowBatch
from polyledger.sources.files.values import Coded, Numbers, Refused

_LARGEST_LOG_INDEX = (1 << 31) - 1
_ALL_DIFFERENT = frozenset({"transaction", "timestamp"})
_LARGEST_RAW = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that is not imported: its number in the file, why, and what it held (in the columns that were read)."""

    row_number: int
    reason: str
    values: Mapping[str, Any]


@dataclass(slots=True)
class TradeBatch:
    """n trades in columns. What the file does not give is absent from the mappings.

    Attributes:
        row_number: 1 is the first row of data.
        ids: token, condition, transaction (32 bytes), wallet, counterparty (20 bytes), market_id, slug, outcome (text).
        numbers: outcome_index, log_index, role, side, shares, collateral, fee (1e-6 units), timestamp (seconds, UTC).
        rejects: rows that could not be read.
    """

    row_number: NDArray[np.int64]
    ids: dict[str, Coded] = field(default_factory=dict)
    numbers: dict[str, Numbers] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.row_number)


def repeating(columns: Mapping[str, str]) -> list[str]:
    """The columns of the file whose values repeat, so that dictionaries are worth their cost."""
    return [theirs for ours, theirs in columns.items() if ours not in _ALL_DIFFERENT]


def relative_error(columns: Mapping[str, str], schema: pa.Schema) -> float:
    """How far amounts of this file may be from the true ones, relative to their size: its numbers are short floats."""
    used = [columns[ours] for ours in ("shares", "collateral", "price") if ours in columns]
    return max((numbers.precision(schema.field(theirs).type) for theirs in used), default=0.0)


def read_trades(batch: RowBatch, columns: Mapping[str, str]) -> TradeBatch:
    """The trades of one batch of rows.

    Args:
        batch: rows with the columns that are read.
        columns: ours → theirs, see `trade_columns`.

    Raises:
        UnreadableFileError: a column cannot hold what it should, whatever its rows say.
    """
    reader = _Reader(batch.table, columns)
    reader.id("token", values.tokens)
    reader.id("condition", values.conditions)
    reader.id("transaction", values.hashes)
    reader.id("wallet", values.addresses)
    reader.id("counterparty", values.addresses)
    reader.id("market_id", values.market_ids)
    reader.id("slug", lambda column, _: values.texts(column))
    reader.id("outcome", lambda column, _: values.texts(column))
    reader.number("outcome_index", numbers.outcome_indexes)
    reader.number("log_index", lambda c, t: numbers.integers(c, t, _LARGEST_LOG_INDEX, "a log index"))
    reader.number("role", values.roles)
    reader.number("side", values.sides)
    for amount in ("shares", "collateral", "fee"):
        reader.number(amount, numbers.amounts)
        reader.number(
            f"{amount}_raw", lambda c, t: numbers.integers(c, t, _LARGEST_RAW, "a whole number of 1e-6 units"), amount
        )
    reader.number("timestamp", numbers.times)
    reader.collateral_from_price()
    return reader.result(batch)


class _Reader:
    def __init__(self, table: pa.Table, columns: Mapping[str, str]) -> None:
        self._table = table
        self._columns = columns
        self._refused: list[Refused] = []
        self._ids: dict[str, Coded] = {}
        self._numbers: dict[str, Numbers] = {}

    def id(self, ours: str, read: Any) -> None:
        if ours in self._columns:
            theirs = self._columns[ours]
            self._ids[ours], refused = read(self._table.column(theirs), theirs)
            self._note(refused)

    def number(self, ours: str, read: Any, kept_as: str | None = None) -> None:
        if ours in self._columns:
            theirs = self._columns[ours]
            self._numbers[kept_as or ours], refused = read(self._table.column(theirs), theirs)
            self._note(refused)

    def collateral_from_price(self) -> None:
        """Where the file does not say what was paid, shares × price does."""
        if "price" not in self._columns or "shares" not in self._numbers:
            return
        theirs = self._columns["price"]
        price, missing, refused = numbers.prices(self._table.column(theirs), theirs)
        shares = self._numbers["shares"]
        known = self._numbers.get("collateral")
        if known is not None:
            wanted = known.missing
            refused = Refused(refused.rows & wanted, refused.reason)
        self._note(refused)
        computed = Numbers(numbers.value_of(shares.values, price), shares.missing | missing)
        if known is None:
            self._numbers["collateral"] = computed
        else:
            self._numbers["collateral"] = Numbers(
                np.where(wanted, computed.values, known.values), wanted & computed.missing
            )

    def _note(self, refused: Refused) -> None:
        if refused.rows.any():
            self._refused.append(refused)

    def result(self, batch: RowBatch) -> TradeBatch:
        rejects = [Reject(row.number, row.reason, {"line": row.text}) for row in batch.bad]
        says_nothing = self._says_nothing()
        if says_nothing.any():
            self._refused.append(Refused(says_nothing, lambda _: "the row has no value in any column that is read"))
        if not self._refused:
            return TradeBatch(batch.row_number, self._ids, self._numbers, rejects)
        wrong = np.logical_or.reduce([refused.rows for refused in self._refused])
        rows = np.flatnonzero(wrong).tolist()
        shown = values.shown_values(self._table, rows)
        for row, held in zip(rows, shown, strict=True):
            reason = next(refused.reason(row) for refused in self._refused if refused.rows[row])
            rejects.append(Reject(int(batch.row_number[row]), reason, held))
        keep = np.flatnonzero(~wrong)
        return TradeBatch(
            batch.row_number[keep],
            {ours: coded.take(keep) for ours, coded in self._ids.items()},
            {ours: numbers.take(keep) for ours, numbers in self._numbers.items()},
            sorted(rejects, key=lambda reject: reject.row_number),
        )

    def _says_nothing(self) -> NDArray[np.bool_]:
        silent = [coded.codes < 0 for coded in self._ids.values()]
        silent += [numbers.missing for numbers in self._numbers.values()]
        return np.asarray(np.logical_and.reduce(silent), np.bool_)
