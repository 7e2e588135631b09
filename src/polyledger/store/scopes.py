"""What was scanned for whom: the names of done intervals, and whether the ledger is of everybody or of some wallets.

An interval's scope is ``chain:contracts:transfers`` where everything was taken, and the same with ``:wallets=…`` where
only the logs of some wallets were. What was scanned for everything was scanned for each wallet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

import duckdb
import pyarrow as pa

from polyledger.domain.intervals import Interval, difference, normalise
from polyledger.store.keys import ACCOUNTS, append, binary_array, intern
from polyledger.store.views import sql_text

_MARK: Final = ":wallets="
SINCE_SETTING: Final = "since_block"
"""The block that a ledger was told to begin with."""
WINDOWS_SETTING: Final = "windows"
"""Set when a scan was limited by dates: intervals may have holes between them."""
# Views that show some wallets alone, each with what is written otherwise for that.
_VIEWS: Final = {
    "accounts_unscanned": ("WHERE false AND", "WHERE true AND"),
    "counted_fills": (
        "f.role <> 0 AS once\nFROM chain.fills AS f;",
        "true AS once\nFROM chain.fills AS f\nWHERE f.wallet IN (SELECT account FROM meta.scope_wallets);",
    ),
}


def base_of(scope: str) -> str:
    """The scope without its wallets."""
    return scope.partition(_MARK)[0]


def scope_of_wallets(base: str, wallets: Iterable[bytes]) -> str:
    """The scope of a scan of these wallets (20-byte addresses) alone."""
    digest = hashlib.blake2b(b"".join(sorted(set(wallets))), digest_size=8).hexdigest()
    return f"{base}{_MARK}{digest}"


def note_wallets(connection: duckdb.DuckDBPyConnection, scope: str, wallets: Sequence[bytes]) -> None:
    """Write down whom a scope is for, once; belongs into the transaction of its first interval."""
    known = connection.execute("SELECT count(*) FROM meta.scope_wallets WHERE scope = ?", [scope]).fetchall()
    if known[0][0]:
        return
    keys = intern(connection, ACCOUNTS, binary_array(sorted(set(wallets)), 20)).keys
    rows = pa.table({"scope": pa.array([scope] * len(keys)), "account": pa.array(keys, pa.int32())})
    append(connection, "meta.scope_wallets", rows)


def wallets_in_scope(connection: duckdb.DuckDBPyConnection) -> list[bytes]:
    """Every wallet (20-byte address) that some scan was for, sorted."""
    rows = connection.execute(
        "SELECT DISTINCT a.address FROM meta.scope_wallets AS s JOIN dim.accounts AS a ON a.account = s.account "
        "ORDER BY a.address"
    ).fetchall()
    return [bytes(row[0]) for row in rows]


def done_for_all(connection: duckdb.DuckDBPyConnection) -> list[Interval]:
    """The intervals in which everything was taken."""
    return normalise(_intervals(connection, "scope NOT LIKE '%' || ? || '%'", [_MARK]))


def done_at_all(connection: duckdb.DuckDBPyConnection) -> list[Interval]:
    """The intervals scanned for anybody: what every ledger needs of them is there."""
    return normalise(_intervals(connection, "true", []))


def done_by_wallet(connection: duckdb.DuckDBPyConnection) -> dict[bytes, list[Interval]]:
    """Per wallet the intervals scanned for it by name; those for all come on top."""
    by_scope: dict[str, list[tuple[int, int]]] = {}
    for scope, first, last in connection.execute("SELECT scope, from_block, to_block FROM meta.intervals").fetchall():
        by_scope.setdefault(str(scope), []).append((int(first), int(last)))
    found: dict[bytes, list[tuple[int, int]]] = {}
    for scope, address in connection.execute(
        "SELECT s.scope, a.address FROM meta.scope_wallets AS s JOIN dim.accounts AS a ON a.account = s.account"
    ).fetchall():
        found.setdefault(bytes(address), []).extend(by_scope.get(str(scope), []))
    return {wallet: normalise(intervals) for wallet, intervals in found.items()}


def is_of_wallets(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether some of what is stored was scanned for some wallets only."""
    named = _intervals(connection, "scope LIKE '%' || ? || '%'", [_MARK])
    return bool(named) and bool(difference(named, done_for_all(connection)))


def starts_late(connection: duckdb.DuckDBPyConnection) -> int | None:
    """The block that a ledger was told to start with, unless earlier ones have come in since."""
    rows = connection.execute(
        "SELECT CAST(s.value AS BIGINT) FROM meta.settings AS s WHERE s.name = ? "
        "AND CAST(s.value AS BIGINT) <= (SELECT min(from_block) FROM meta.intervals)",
        [SINCE_SETTING],
    ).fetchall()
    return int(rows[0][0]) if rows else None


def time_of(connection: duckdb.DuckDBPyConnection, block: int) -> int | None:
    """The timestamp of a stored block, in seconds."""
    rows = connection.execute("SELECT timestamp FROM chain.blocks WHERE number = ?", [block]).fetchall()
    return int(rows[0][0]) if rows else None


def refresh_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Let the views show the wallets in scope alone, or everybody again; in the transaction of an interval."""
    scoped = is_of_wallets(connection)
    if limits_views(connection) == scoped:
        return
    for name, (of_all, of_some) in _VIEWS.items():
        view = sql_text("polyledger.store", f"models/book/{name}.sql").replace("CREATE VIEW", "CREATE OR REPLACE VIEW")
        connection.execute(view.replace(of_all, of_some) if scoped else view)


def limits_views(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the views show some wallets alone."""
    if not connection.execute("SELECT 1 FROM meta.scope_wallets LIMIT 1").fetchall():
        return False  # the texts of all views take the engine longer
    ((text,),) = connection.execute(
        "SELECT sql FROM duckdb_views() WHERE schema_name = 'book' AND view_name = 'accounts_unscanned'"
    ).fetchall()
    return "false" not in str(text).lower()


def _intervals(
    connection: duckdb.DuckDBPyConnection, condition: str, parameters: Sequence[str]
) -> list[tuple[int, int]]:
    rows = connection.execute(f"SELECT from_block, to_block FROM meta.intervals WHERE {condition}", parameters)
    return [(int(first), int(last)) for first, last in rows.fetchall()]
