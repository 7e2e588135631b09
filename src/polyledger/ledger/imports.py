"""Storing imported trades: long ids become keys, sets of ids become identities, rows go to imported.trades.

All of a file is one transaction of the caller: a kill in the middle leaves nothing of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from polyledger.domain.errors import InvariantError
from polyledger.identity.links import intern_tokens
from polyledger.sources.files.trades import TradeBatch
from polyledger.sources.files.values import Coded
from polyledger.store.claims import TRANSACTIONS
from polyledger.store.keys import ACCOUNTS, CONDITIONS, Dimension, KeyMap, append, intern
from polyledger.store.sql import script

_NO_VALUE: Final = -1


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A row of imported.files. `columns` is ours → theirs; `relative_error` how far its amounts may be off."""

    name: str
    sha256: bytes
    columns: Mapping[str, str]
    relative_error: float
    run_id: str


def known_file(connection: duckdb.DuckDBPyConnection, sha256: bytes) -> tuple[str, datetime] | None:
    """Name and time of the import of the same content, if there was one."""
    rows = connection.execute("SELECT name, imported_at FROM imported.files WHERE sha256 = ?", [sha256]).fetchall()
    return (str(rows[0][0]), rows[0][1]) if rows else None


class TradeWriter:
    """Writes the trades of one file. Everything happens in the transaction that the caller has begun."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, facts: FileFacts) -> None:
        self._connection = connection
        self._facts = facts
        self.file = _next(connection, "imported.files", "file")
        self.first_trade = self._trade = _next(connection, "imported.trades", "trade")
        self.rejected = 0

    @property
    def imported(self) -> int:
        """Rows written so far."""
        return self._trade - self.first_trade

    def write(self, batch: TradeBatch) -> None:
        """Append one batch."""
        self.rejected += len(batch.rejects)
        count = len(batch)
        if not count:
            return
        keys = {
            "token": _keys(batch.ids.get("token"), lambda values: intern_tokens(self._connection, values)),
            "condition": self._interned(batch.ids.get("condition"), CONDITIONS),
        }
        identity = self._identities(batch, keys)
        wallet = self._interned(batch.ids.get("wallet"), ACCOUNTS)
        counterparty = self._interned(batch.ids.get("counterparty"), ACCOUNTS)
        transaction = self._interned(batch.ids.get("transaction"), TRANSACTIONS)
        nothing = pa.nulls(count, pa.int64())

        def number(name: str, kind: pa.DataType) -> pa.Array:
            return batch.numbers[name].array(kind) if name in batch.numbers else nothing.cast(kind)

        rows = pa.table(
            {
                "trade": pa.array(np.arange(self._trade, self._trade + count)),
                "file": pa.array(np.full(count, self.file, np.int32)),
                "row_number": pa.array(batch.row_number),
                "identity": pa.array(identity.astype(np.int32)),
                "transaction": _nullable(transaction, count),
                "log_index": number("log_index", pa.int32()),
                "wallet": _nullable(wallet, count),
                "counterparty": _nullable(counterparty, count),
                "role": number("role", pa.uint8()),
                "side": number("side", pa.uint8()),
                "shares": number("shares", pa.int64()),
                "collateral": number("collateral", pa.int64()),
                "fee": number("fee", pa.int64()),
                "timestamp": number("timestamp", pa.int64()),
            }
        )
        append(self._connection, "imported.trades", rows)
        self._trade += count

    def finish(self) -> int:
        """Note the repeats of earlier rows and the file itself; returns how many rows are repeats.

        Raises:
            InvariantError: rows in ≠ rows out, or a row without its identity.
        """
        ((stored, without),) = self._connection.execute(
            "SELECT count(*), count(*) FILTER (WHERE i.identity IS NULL) FROM imported.trades AS t "
            "LEFT JOIN imported.identities AS i ON i.identity = t.identity WHERE t.trade >= ?",
            [self.first_trade],
        ).fetchall()
        if stored != self.imported or without:
            raise InvariantError(
                f"{self.imported:,} rows of {self._facts.name} were read and {stored:,} stored, {without:,} of them "
                "without an identity",
                "Nothing was changed; please report this",
            )
        repeats = self._note_repeats()
        facts = self._facts
        self._connection.execute(
            "INSERT INTO imported.files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                self.file, facts.name, facts.sha256, json.dumps(dict(facts.columns)), facts.relative_error,
                self.imported + self.rejected, self.rejected, facts.run_id,
                datetime.now(UTC).replace(tzinfo=None),
            ],
        )  # fmt: skip
        return repeats

    def _note_repeats(self) -> int:
        before = self._connection.execute("SELECT count(*) FROM imported.repeats").fetchall()[0][0]
        self._connection.execute(script("polyledger.ledger", "imported_repeats_by_log"), {"first": self.first_trade})
        if self.first_trade:
            self._connection.execute(
                script("polyledger.ledger", "imported_repeats_by_value"), {"first": self.first_trade}
            )
        after = self._connection.execute("SELECT count(*) FROM imported.repeats").fetchall()[0][0]
        return int(after) - int(before)

    def _interned(self, coded: Coded | None, dimension: Dimension) -> NDArray[np.int64] | None:
        return _keys(coded, lambda values: intern(self._connection, dimension, values))

    def _identities(self, batch: TradeBatch, keys: Mapping[str, NDArray[np.int64] | None]) -> NDArray[np.int64]:
        """The key of each row's set of ids; sets that are new are added."""
        texts = {name: batch.ids.get(name) for name in ("market_id", "slug", "outcome")}
        outcome_index = None
        if "outcome_index" in batch.numbers:
            numbers = batch.numbers["outcome_index"]
            outcome_index = np.where(numbers.missing, _NO_VALUE, numbers.values)
        columns: dict[str, NDArray[np.int64] | None] = {
            "token": keys["token"],
            "condition": keys["condition"],
            "market_id": None if texts["market_id"] is None else texts["market_id"].codes,
            "slug": None if texts["slug"] is None else texts["slug"].codes,
            "outcome_index": outcome_index,
            "outcome": None if texts["outcome"] is None else texts["outcome"].codes,
        }
        given = {name: column for name, column in columns.items() if column is not None}
        if not given:
            return np.zeros(len(batch), np.int64)
        first, places = _distinct_sets(list(given.values()))
        sets: dict[str, pa.Array] = {"place": pa.array(np.arange(len(first)))}
        for name, kind in _SET_COLUMNS.items():
            column = given.get(name)
            coded = texts.get(name)
            if column is None:
                sets[name] = pa.nulls(len(first), kind)
                continue
            chosen = column[first]
            picked = pa.array(chosen, mask=chosen < 0)
            sets[name] = picked.cast(kind) if coded is None else coded.values.cast(pa.string()).take(picked)
        self._connection.register("batch_sets", pa.table(sets))
        try:
            found = self._set_keys(len(first))
        finally:
            self._connection.unregister("batch_sets")
        return found[places]

    def _set_keys(self, count: int) -> NDArray[np.int64]:
        self._connection.execute(script("polyledger.ledger", "imported_identities"))
        rows = self._connection.execute(script("polyledger.ledger", "imported_identity_keys")).fetchnumpy()
        keys = np.full(count, _NO_VALUE, np.int64)
        keys[rows["place"]] = rows["identity"]
        if len(rows["place"]) != count or (keys < 0).any():
            raise InvariantError(f"{count} sets of ids were stored and {len(rows['place'])} found again")
        return keys


_SET_COLUMNS: Final = {
    "token": pa.int32(),
    "condition": pa.int32(),
    "market_id": pa.string(),
    "slug": pa.string(),
    "outcome_index": pa.int32(),
    "outcome": pa.string(),
}


def _distinct_sets(columns: list[NDArray[np.int64]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first row of each distinct combination, and per row the place of its own."""
    combined = np.zeros(len(columns[0]), np.int64)
    room = 1
    for column in columns:
        size = int(column.max()) + 2  # -1 is a value as well
        if room * size >= 1 << 62:
            combined, room = _dense(combined)
        combined = combined * size + (column + 1)
        room *= size
    encoded = pc.dictionary_encode(pa.array(combined))
    places = encoded.indices.to_numpy().astype(np.int64)
    first = np.empty(len(encoded.dictionary), np.int64)
    first[places[::-1]] = np.arange(len(places) - 1, -1, -1)
    return first, places


def _dense(values: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    encoded = pc.dictionary_encode(pa.array(values))
    return encoded.indices.to_numpy().astype(np.int64), len(encoded.dictionary)


def _keys(coded: Coded | None, interned: Callable[[pa.Array], KeyMap]) -> NDArray[np.int64] | None:
    if coded is None:
        return None
    return np.append(interned(coded.values).keys.astype(np.int64), _NO_VALUE)[coded.codes]


def _nullable(keys: NDArray[np.int64] | None, count: int) -> pa.Array:
    if keys is None:
        return pa.nulls(count, pa.int32())
    return pa.array(keys, mask=keys < 0).cast(pa.int32())


def _next(connection: duckdb.DuckDBPyConnection, table: str, key: str) -> int:
    return int(connection.execute(f"SELECT coalesce(max({key}) + 1, 0) FROM {table}").fetchall()[0][0])
