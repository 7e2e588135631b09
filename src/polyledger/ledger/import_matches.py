"""Which fill on chain an imported row is: imported.matches, built aside and swapped in.

A row is matched by its transaction and by whatever else it says: wallet, token, side, shares, collateral, log index.
Each fill is used once per file, so that n equal rows match at most n fills. A row without a token takes the token of
its fill, and is left alone when the fills it could be are of different tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from polyledger.domain.errors import InvariantError
from polyledger.store.database import Database
from polyledger.store.keys import append
from polyledger.store.sql import script

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

# Rows and fills of so many transactions are looked at together; all of a transaction belong to one bucket.
_ROWS_PER_BUCKET: Final = 12_000_000
_STATE: Final = "imports_matched"
_COLUMNS: Final = ("tx", "log_index", "token")


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
    with database.transaction() as connection:
        state = _state(connection)
        known = connection.execute("SELECT value FROM meta.settings WHERE name = ?", [_STATE]).fetchall()
        if known and known[0][0] == state:
            return None
        rows = _count(connection, "SELECT count(transaction) FROM imported.trades")
        if not rows:
            return None
        connection.execute("CREATE TABLE imported.matches_aside AS SELECT * FROM imported.matches LIMIT 0")
        connection.execute(script("polyledger.ledger", "imported_places"))
        for first, last in _buckets(connection, rows):
            _match_bucket(connection, first, last)
        matched = _checked(connection)
        connection.execute("DROP TABLE imported.matches")
        connection.execute("ALTER TABLE imported.matches_aside RENAME TO matches")
        for name in ("import_places", "import_candidates"):
            connection.execute(f"DROP TABLE IF EXISTS temp.{name}")
        database.set_setting(_STATE, state)
    fills = _count(database.connection, "SELECT count(tx) FROM imported.matches")
    return Matched(rows, matched, fills)


def _state(connection: duckdb.DuckDBPyConnection) -> str:
    """A fingerprint of everything that matches depend on."""
    parts = [
        "SELECT coalesce(max(trade), -1), count(*) FROM imported.trades",
        "SELECT count(*), sum(tx), sum(log_index) FROM chain.fills",
        "SELECT count(*), sum(transaction), sum(log_index) FROM claim.receipt_fills",
    ]
    return " ".join(str(value) for sql in parts for value in connection.execute(sql).fetchall()[0])


def _count(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    return int(connection.execute(sql).fetchall()[0][0])


def _buckets(connection: duckdb.DuckDBPyConnection, rows: int) -> list[tuple[int, int]]:
    """Ranges of transaction keys that hold about as many rows each."""
    transactions = _count(connection, "SELECT coalesce(max(transaction) + 1, 0) FROM imported.transactions")
    count = -(-rows // _ROWS_PER_BUCKET)
    size = max(-(-transactions // count), 1)
    return [(first, first + size - 1) for first in range(0, transactions, size)]


def _match_bucket(connection: duckdb.DuckDBPyConnection, first: int, last: int) -> None:
    bounds = {"first": first, "last": last}
    connection.execute(script("polyledger.ledger", "imported_candidates"), bounds)
    found = connection.execute(script("polyledger.ledger", "imported_pairs"), bounds).fetchnumpy()
    if not len(found["trade"]):
        return
    pairs = _Pairs(
        np.asarray(found["trade"]), np.asarray(found["fill"]), np.asarray(found["token"]), np.asarray(found["file"])
    )
    without_token = np.asarray(found["without_token"], np.bool_)
    hint = np.ma.filled(np.ma.asarray(found["hint"]), False).astype(np.bool_)
    pairs = pairs.unambiguous(without_token, hint)
    trades, fills = pairs.matched()
    fill_columns = connection.execute("SELECT tx, log_index, token FROM import_candidates ORDER BY fill").fetchnumpy()
    columns: dict[str, Any] = {"trade": pa.array(trades)}
    for name in _COLUMNS:
        values = np.ma.asarray(fill_columns[name])
        kind = pa.int64() if name == "tx" else pa.int32()
        chosen = values[fills]
        columns[name] = pa.array(np.ma.getdata(chosen), mask=np.ma.getmaskarray(chosen)).cast(kind)
    append(connection, "imported.matches_aside", pa.table(columns))


def _checked(connection: duckdb.DuckDBPyConnection) -> int:
    """How many rows were matched. Raises InvariantError when a row is matched twice or is none."""
    ((matched, distinct_rows, unknown),) = connection.execute(
        "SELECT count(*), count(DISTINCT m.trade), count(*) FILTER (WHERE t.trade IS NULL) "
        "FROM imported.matches_aside AS m LEFT JOIN imported.trades AS t ON t.trade = m.trade"
    ).fetchall()
    if matched != distinct_rows or unknown:
        raise InvariantError(
            f"{matched:,} matches of imported rows name {distinct_rows:,} rows, {unknown:,} of which do not exist",
            "The matches stay as they were; please report this",
        )
    return int(matched)


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Rows and the fills they could be, one pair each."""

    trade: Ints
    fill: Ints
    token: Ints
    file: Ints

    def __len__(self) -> int:
        return len(self.trade)

    def take(self, chosen: Mask | Ints) -> _Pairs:
        return _Pairs(self.trade[chosen], self.fill[chosen], self.token[chosen], self.file[chosen])

    def unambiguous(self, without_token: Mask, hint: Mask) -> _Pairs:
        """Without the pairs of rows that have no token and could be fills of several.

        What such a row says of condition and outcome decides first, where a fill agrees with it.
        """
        row = self.trade - self.trade.min()
        keep = np.ones(len(self), np.bool_)
        if hint.any():
            hinted = np.zeros(int(row.max()) + 1, np.bool_)
            hinted[row[hint]] = True
            keep = ~without_token | hint | ~hinted[row]
        one_token = np.empty(int(row.max()) + 1, np.int32)
        one_token[row[keep]] = self.token[keep]
        differing = keep & without_token & (one_token[row] != self.token)
        if differing.any():
            ambiguous = np.zeros(len(one_token), np.bool_)
            ambiguous[row[differing]] = True
            keep &= ~(without_token & ambiguous[row])
        return self if keep.all() else self.take(keep)

    def matched(self) -> tuple[Ints, Ints]:
        """Rows and their fills: each row once, each fill once per file."""
        if not len(self):
            return self.trade, self.fill
        several = _occurs_again(self.trade - self.trade.min()) | _occurs_again(self.fill)
        alone = self.take(~several)
        trades, fills = [alone.trade], [alone.fill]
        rest = self.take(several)
        while len(rest):
            chosen = rest.round()
            taken = rest.take(chosen)
            trades.append(taken.trade)
            fills.append(taken.fill)
            gone = np.isin(rest.trade, taken.trade) | np.isin(rest.claim(), taken.claim())
            rest = rest.take(~gone)
        return np.concatenate(trades), np.concatenate(fills)

    def claim(self) -> Ints:
        """A fill as one file may use it."""
        return self.fill.astype(np.int64) * (int(self.file.max()) + 1 if len(self) else 1) + self.file

    def round(self) -> Ints:
        """Pairs that can be taken together: rows with the fewest choices first, equal rows spread over equal fills."""
        _, row, count = np.unique(self.trade, return_inverse=True, return_counts=True)
        order = np.lexsort((self.fill, self.trade, count[row]))
        claim = self.claim()[order]
        start = np.flatnonzero(np.concatenate([[True], np.diff(self.trade[order]) != 0]))
        choices = np.diff(np.append(start, len(order)))
        # Among rows that would choose the same fill, the second takes its second choice, and so on.
        _, head = np.unique(claim[start], return_inverse=True)
        by_head = np.argsort(head, kind="stable")
        begins = np.concatenate([[True], np.diff(head[by_head]) != 0])
        first_of_group = np.maximum.accumulate(np.where(begins, np.arange(len(by_head)), 0))
        rank = np.empty(len(by_head), np.int64)
        rank[by_head] = np.arange(len(by_head)) - first_of_group
        wanted = start + np.minimum(rank, choices - 1)
        _, winners = np.unique(claim[wanted], return_index=True)
        return np.asarray(order[wanted[winners]], np.int64)


def _occurs_again(values: Ints) -> Mask:
    """Which values occur more than once; they are small numbers from zero."""
    last = np.empty(int(values.max()) + 1, np.int64)
    places = np.arange(len(values))
    last[values] = places
    again = last[values] != places
    repeated = np.zeros(len(last), np.bool_)
    repeated[values[again]] = True
    return np.asarray(repeated[values], np.bool_)
