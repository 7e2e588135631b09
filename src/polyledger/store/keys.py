"""Long ids to small integer keys and back: addresses, position ids, condition ids, neg-risk market ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Keys = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Dimension:
    """One table of surrogate keys: `table` holds `key` (integer) beside `long_id` (BLOB of `width` bytes)."""

    table: str
    key: str
    long_id: str
    width: int


ACCOUNTS: Final = Dimension("dim.accounts", "account", "address", 20)
TOKENS: Final = Dimension("dim.tokens", "token", "position_id", 32)
CONDITIONS: Final = Dimension("dim.conditions", "condition", "condition_id", 32)
NEG_RISK_MARKETS: Final = Dimension("dim.neg_risk_markets", "neg_risk_market", "neg_risk_market_id", 32)


@dataclass(frozen=True)
class KeyMap:
    """The keys of the distinct long ids of one batch."""

    values: pa.Array  # fixed_size_binary, distinct
    keys: Keys

    def of(self, column: pa.ChunkedArray | pa.Array) -> pa.Array:
        """The column with each long id replaced by its key; nulls stay null."""
        indexes = pc.index_in(column, value_set=self.values)
        if isinstance(indexes, pa.ChunkedArray):
            indexes = indexes.combine_chunks()
        return pc.take(pa.array(self.keys), indexes)

    def one(self, long_id: bytes) -> int:
        """The key of one id that is in the batch."""
        position = self.values.index(pa.scalar(long_id, self.values.type)).as_py()
        return int(self.keys[position])


def distinct(columns: Iterable[pa.ChunkedArray | pa.Array], width: int) -> pa.Array:
    """The distinct non-null values of several columns, in order of first sight."""
    kind = pa.binary(width)
    chunks: list[pa.Array] = []
    for column in columns:
        pieces = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
        chunks.extend(pc.unique(piece.cast(kind) if piece.type != kind else piece) for piece in pieces if len(piece))
    if not chunks:
        return pa.array([], kind)
    return pc.drop_null(pc.unique(pa.chunked_array(chunks, kind)))


def known_keys(connection: duckdb.DuckDBPyConnection, dimension: Dimension, values: pa.Array) -> Keys:
    """The key of each value, -1 where the ledger has none yet."""
    batch = pa.table({"position": pa.array(np.arange(len(values))), "long_id": values.cast(pa.binary())})
    connection.register("batch_ids", batch)
    try:
        rows = connection.execute(
            f"SELECT b.position, d.{dimension.key} FROM {dimension.table} d JOIN batch_ids b "
            f"ON d.{dimension.long_id} = b.long_id"
        ).fetchnumpy()
    finally:
        connection.unregister("batch_ids")
    keys = np.full(len(values), -1, np.int32)
    keys[rows["position"]] = rows[dimension.key]
    return keys


def next_key(connection: duckdb.DuckDBPyConnection, dimension: Dimension) -> int:
    """The first key that is free."""
    rows = connection.execute(f"SELECT coalesce(max({dimension.key}) + 1, 0) FROM {dimension.table}").fetchall()
    return int(rows[0][0])


def intern(connection: duckdb.DuckDBPyConnection, dimension: Dimension, values: pa.Array) -> KeyMap:
    """Keys for distinct values; new ones are added. Not for tokens, whose rows hold more (see `links`)."""
    keys = known_keys(connection, dimension, values)
    fresh = np.flatnonzero(keys < 0)
    if len(fresh):
        keys[fresh] = next_key(connection, dimension) + np.arange(len(fresh), dtype=np.int32)
        table = pa.table({"key": pa.array(keys[fresh]), "long_id": values.take(pa.array(fresh)).cast(pa.binary())})
        append(connection, dimension.table, table)
    return KeyMap(values, keys)


def append(connection: duckdb.DuckDBPyConnection, table: str, rows: pa.Table, *, rows_each: int | None = None) -> None:
    """Append an Arrow table whose columns are in the order of the database table; `rows_each` at a time, if given."""
    if not rows.num_rows:
        return
    if rows_each is not None:
        rows = pa.Table.from_batches(rows.to_batches(max_chunksize=rows_each))
    connection.register("batch_rows", rows)
    try:
        connection.execute(f"INSERT INTO {table} SELECT * FROM batch_rows")
    finally:
        connection.unregister("batch_rows")


def binary_array(values: Sequence[bytes], width: int) -> pa.Array:
    """Python bytes as a fixed-width Arrow array."""
    return pa.array(list(values), pa.binary(width))
