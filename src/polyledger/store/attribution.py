"""Attribution of imported trades: what their sets of ids mean now, worked out aside and swapped in.

Nothing here touches a trade. Call `attribute` in the transaction that has changed imports, matches, claims, proofs or
scanned intervals, or after it: until then, figures show what was attributed before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import duckdb

from polyledger.store.sql import script

KINDS: Final = ("token", "market_id", "slug", "transaction")
"""Kinds of keys in meta.lookups by which a trade can be known."""
# In the order in which they rest on each other.
_ASKED: Final = "exhausted_keys"
_TABLES: Final = (_ASKED, "identity_links", "imported_exceptions", "imported_sums", "movement_events")


def use_answerers(connection: duckdb.DuckDBPyConnection, answerers: Mapping[str, Iterable[str]]) -> None:
    """Note which enabled sources can be asked about which kind of key; call it inside a transaction.

    Args:
        connection: the writing connection.
        answerers: kind → sources, as they write themselves into meta.lookups. A kind nobody can be asked about is left
            out: such keys stay pending.
    """
    rows = [(kind, source) for kind, sources in sorted(answerers.items()) for source in sorted(set(sources))]
    connection.execute("DELETE FROM meta.answerers")
    if rows:
        connection.executemany("INSERT INTO meta.answerers VALUES (?, ?)", rows)


def count_matched(connection: duckdb.DuckDBPyConnection) -> None:
    """Count imported.matches anew; call it inside the transaction that has changed them."""
    connection.execute("DELETE FROM book.imported_matched").fetchall()
    connection.execute(script("polyledger.store", "imported_matched")).fetchall()


def attribute(connection: duckdb.DuckDBPyConnection) -> None:
    """Work out anew what imported rows mean and how they count; call it inside a transaction."""
    ((imported, same),) = connection.execute(
        "SELECT (SELECT count(*) FROM imported.files) + (SELECT count(*) FROM imported.movements) > 0, "
        "(SELECT count(*) FROM imported.matches) = (SELECT coalesce(sum(trades), 0) FROM book.imported_matched)"
    ).fetchall()
    if not same:
        count_matched(connection)
    for statement in duckdb.extract_statements(script("polyledger.store", "imported_bases")):
        connection.execute(statement).fetchall()
    for table in _TABLES:
        connection.execute(f"DELETE FROM book.{table}")
        if imported or table == _ASKED:
            connection.execute(script("polyledger.store", table))
