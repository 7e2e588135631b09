"""Look-ups of markets to be made again, and the category table in force."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from polyledger.domain.categories import CategoryTable
from polyledger.store.keys import append


def forget_lookups(connection: duckdb.DuckDBPyConnection, first: int, last: int) -> None:
    """Have the conditions asked about again that the transactions first … last (tx keys) prepared or resolved.

    What sources say of them has changed with that: a market that was unknown may be there now, an open one is closed.
    Called when such blocks come in and when a reorg takes them back. What was answered stays as a claim.
    """
    connection.execute(
        """
        DELETE FROM meta.lookups WHERE kind = 'market' AND lookup_key IN (
            SELECT '0x' || lower(hex(d.condition_id)) FROM dim.conditions AS d JOIN (
                SELECT condition FROM chain.preparations WHERE tx BETWEEN $first AND $last
                UNION SELECT condition FROM chain.registrations WHERE tx BETWEEN $first AND $last
                UNION SELECT condition FROM chain.resolutions WHERE tx BETWEEN $first AND $last
            ) AS changed ON changed.condition = d.condition)
        """,
        {"first": first, "last": last},
    )


def use_categories(connection: duckdb.DuckDBPyConnection, table: CategoryTable) -> bool:
    """Put a category table in force; returns False when it is in force already."""
    # Every tag gets a position of its own, so that the first match in the table's order is one row.
    ranked = [(position, tag, category) for position, (tag, _, category) in enumerate(table.ranked_tags())]
    current = connection.execute("SELECT position, tag, category FROM book.categories ORDER BY position").fetchall()
    if [tuple(row) for row in current] == [tuple(row) for row in ranked]:
        return False
    connection.execute("DELETE FROM book.categories")
    append(
        connection,
        "book.categories",
        pa.table(
            {
                "position": pa.array([row[0] for row in ranked], pa.int32()),
                "tag": pa.array([row[1] for row in ranked]),
                "category": pa.array([row[2] for row in ranked]),
            }
        ),
    )
    return True
