"""Which fill on chain an imported row is: imported.matches, built aside and swapped in.

A row is matched by its transaction and by whatever else it says: wallet, token, side, shares, collateral, log index.
Each fill is used once per file, so that n equal rows match at most n fills. A row without a token takes the token of
its fill, and is left alone when the fills it could be are of different tokens.

Transactions in which nothing is in doubt are matched by comparing arrays, the others by the general rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from polyledger.domain.errors import InvariantError
from polyledger.ledger.import_pairs import Pairs
from polyledger.ledger.simple_matches import simple_matches
from polyledger.store.attribution import count_matched
from polyledger.store.database import Database
from polyledger.store.keys import append
from polyledger.store.sql import script, table

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Columns = dict[str, NDArray[Any]]

# Rows and fills of so many transactions are looked at together; all of a transaction belong to one bucket.
_ROWS_PER_BUCKET: Final = 3_000_000
_ROWS_EACH: Final = 122_880  # a row group of the engine, so that its threads share the work
_STATE: Final = "imports_matched"
_OF_FILL: Final = ("tx", "log_index", "token")


@dataclass(frozen=True, slots=True)
class Matched:
    """What a look at all imported rows found: `rows` with a transaction, `fills` those matched to a scanned fill."""

    rows: int
    matched: int
    fills: int


def match_imports(database: Database) -> Matched | None:
    """Build imported.matches anew, if rows or fills have changed since it was built; None when nothing has.

    Everything happens in one transaction: until it ends, readers see the matches as they were.

    Raises:
        InvariantError: the new table does not hold what it must; the old one stays.
    """
    with database.transaction() as connection, _in_any_order(connection):
        state = _state(connection)
        known = connection.execute("SELECT value FROM meta.settings WHERE name = ?", [_STATE]).fetchall()
        if known and known[0][0] == state:
            return None
        rows = _count(connection, "SELECT count(transaction) FROM imported.trades")
        if not rows:
            return None
        connection.execute(table("imported", "matches").replace(".matches (", ".matches_aside ("))
        connection.execute(script("polyledger.ledger", "imported_places"))
        aside, sets = _Aside(connection), _Sets.of(connection)
        for first, last in _buckets(connection, rows):
            _match_bucket(connection, first, last, aside, sets)
        matched = _checked(connection, aside)
        connection.execute("DROP TABLE imported.matches")
        connection.execute("ALTER TABLE imported.matches_aside RENAME TO matches")
        count_matched(connection)
        for name in ("import_places", "import_candidates"):
            connection.execute(f"DROP TABLE IF EXISTS temp.{name}")
        database.set_setting(_STATE, state)
    fills = _count(database.connection, "SELECT count(tx) FROM imported.matches")
    return Matched(rows, matched, fills)


@contextmanager
def _in_any_order(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Rows may be read and written in any order meanwhile, which the engine does with all its threads."""
    ((before,),) = connection.execute("SELECT current_setting('preserve_insertion_order')").fetchall()
    connection.execute("SET preserve_insertion_order = false")
    try:
        yield
    finally:
        connection.execute(f"SET preserve_insertion_order = {bool(before)}")


def _state(connection: duckdb.DuckDBPyConnection) -> str:
    """A fingerprint of everything that matches depend on."""
    parts = [
        "SELECT coalesce(max(trade), -1), count(*) FROM imported.trades",
        "SELECT count(*), sum(tx), sum(log_index) FROM chain.fills",
        "SELECT count(*), sum(transaction), sum(log_index) FROM claim.receipt_fills",
    ]
    return "2: " + " ".join(str(value) for sql in parts for value in connection.execute(sql).fetchall()[0])


def _count(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    return int(connection.execute(sql).fetchall()[0][0])


def _buckets(connection: duckdb.DuckDBPyConnection, rows: int) -> list[tuple[int, int]]:
    """Ranges of transaction keys that hold about as many rows each."""
    transactions = _count(connection, "SELECT coalesce(max(transaction) + 1, 0) FROM imported.transactions")
    count = -(-rows // _ROWS_PER_BUCKET)
    size = max(-(-transactions // count), 1)
    return [(first, first + size - 1) for first in range(0, transactions, size)]


class _Aside:
    """The new table while it is filled, and which rows are in it."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._taken = np.zeros(_count(connection, "SELECT coalesce(max(trade) + 1, 0) FROM imported.trades"), np.bool_)
        self.matched = 0

    @property
    def rows(self) -> int:
        """How many different rows there are."""
        return int(np.count_nonzero(self._taken))

    def add(self, rows: Columns, fills: Columns) -> None:
        """Append matches: trade, file, identity and volume of rows beside tx (-1: a receipt), log index and token."""
        self._taken[rows["trade"]] = True
        self.matched += len(rows["trade"])
        columns = {
            "trade": pa.array(rows["trade"]),
            "tx": _nullable(fills["tx"]),
            **{name: pa.array(fills[name]) for name in ("log_index", "token")},
            **{name: pa.array(rows[name]) for name in ("file", "identity", "volume")},
        }
        append(self._connection, "imported.matches_aside", pa.table(columns), rows_each=_ROWS_EACH)


@dataclass(frozen=True, slots=True)
class _Sets:
    """What rows hold by key: the token of each identity (-1: none), whether the amounts of each file are exact."""

    token: NDArray[np.int32]
    exact: Mask

    @classmethod
    def of(cls, connection: duckdb.DuckDBPyConnection) -> _Sets:
        """Read both; their keys are small numbers from zero."""
        rows = connection.execute("SELECT identity, coalesce(token, -1) AS token FROM imported.identities").fetchnumpy()
        token = np.full(int(rows["identity"].max(initial=0)) + 1, -1, np.int32)
        token[rows["identity"]] = rows["token"]
        files = connection.execute("SELECT file, relative_error = 0 AS exact FROM imported.files").fetchnumpy()
        exact = np.zeros(int(files["file"].max(initial=0)) + 1, np.bool_)
        exact[files["file"]] = files["exact"]
        return cls(token, exact)


def _match_bucket(connection: duckdb.DuckDBPyConnection, first: int, last: int, aside: _Aside, sets: _Sets) -> None:
    bounds = {"first": first, "last": last}
    fills = _fetched(connection, "imported_simple_fills", bounds)
    if not len(fills["token"]):
        return
    rows = _fetched(connection, "imported_simple_rows", bounds)
    rows["token"] = sets.token[rows["identity"]]
    rows["simple"] = rows["whole"] & sets.exact[rows["file"]]
    found = simple_matches(rows, fills, last - first + 1)
    chosen = {name: rows[name][found.rows] for name in ("trade", "file", "identity", "collateral", "is_maker")}
    chosen["volume"] = np.where(chosen["is_maker"], 0, chosen["collateral"])
    aside.add(chosen, {name: fills[name][found.fills] for name in _OF_FILL})
    left = np.flatnonzero(found.left)
    if len(left):
        connection.register("import_slow", pa.table({"transaction": pa.array(left + first)}))
        try:
            _match_doubtful(connection, bounds, aside)
        finally:
            connection.unregister("import_slow")


def _match_doubtful(connection: duckdb.DuckDBPyConnection, bounds: dict[str, int], aside: _Aside) -> None:
    """The transactions of import_slow, by the general rule."""
    connection.execute(script("polyledger.ledger", "imported_candidates"), bounds)
    found = _fetched(connection, "imported_pairs", bounds)
    if not len(found["trade"]):
        return
    pairs = Pairs(found["trade"], found["fill"], found["token"], found["file"])
    hint = np.ma.filled(np.ma.asarray(found["hint"]), False).astype(np.bool_)  # null where one has no condition
    pairs = pairs.unambiguous(np.asarray(found["without_token"], np.bool_), hint)
    trades, fills = pairs.matched()
    _, places = np.unique(found["trade"], return_index=True)
    places = places[np.searchsorted(found["trade"][places], trades)]
    rows = {"trade": trades, **{name: found[name][places] for name in ("file", "identity", "volume")}}
    of_fill = connection.execute("SELECT coalesce(tx, -1) AS tx, log_index, token FROM import_candidates ORDER BY fill")
    candidates = of_fill.fetchnumpy()
    aside.add(rows, {name: np.asarray(candidates[name])[fills] for name in _OF_FILL})


def _fetched(connection: duckdb.DuckDBPyConnection, name: str, bounds: dict[str, int]) -> Columns:
    found: Columns = connection.execute(script("polyledger.ledger", name), bounds).fetchnumpy()
    return found


def _nullable(transactions: Ints) -> pa.Array:
    missing = transactions < 0
    return pa.nulls(len(transactions), pa.int64()) if missing.all() else pa.array(transactions, mask=missing)


def _checked(connection: duckdb.DuckDBPyConnection, aside: _Aside) -> int:
    """How many rows were matched. Raises InvariantError when a row is matched twice, or a match was lost."""
    matched, rows = _count(connection, "SELECT count(*) FROM imported.matches_aside"), aside.rows
    if not matched == aside.matched == rows:
        raise InvariantError(
            f"{aside.matched:,} matches of {rows:,} imported rows were written, and {matched:,} are there",
            "The matches stay as they were; please report this",
        )
    return matched
