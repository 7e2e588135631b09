"""What is still to be asked of HTTP sources about markets and events, and the category table in force."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import duckdb
import pyarrow as pa

from polyledger.domain.categories import CategoryTable
from polyledger.store.keys import append

_ASK_AGAIN_AFTER: Final = timedelta(days=1)


def conditions_without(connection: duckdb.DuckDBPyConnection, source: str, kind: str) -> list[str]:
    """Condition ids on chain that `source` is to be asked about, in order of the trades that hang on them.

    Those never asked about, and those the source did not know a day ago or earlier: it may list them by now.
    """
    rows = connection.execute(
        """
        SELECT '0x' || lower(hex(f.condition_id)) AS id
        FROM book.condition_facts AS f
        LEFT JOIN (
            SELECT t.condition, count(*) AS trades FROM chain.fills AS l JOIN dim.tokens AS t ON t.token = l.token
            GROUP BY t.condition
        ) AS s ON s.condition = f.condition
        WHERE f.on_chain AND NOT EXISTS (
            SELECT 1 FROM meta.lookups AS k
            WHERE k.source = ? AND k.kind = ? AND k.lookup_key = '0x' || lower(hex(f.condition_id))
              AND (k.outcome NOT IN ('not_found', 'unseen') OR k.asked_at > ?))
        ORDER BY coalesce(s.trades, 0) DESC, id
        """,
        [source, kind, _now() - _ASK_AGAIN_AFTER],
    ).fetchall()
    return [str(row[0]) for row in rows]


def unnamed_conditions(connection: duckdb.DuckDBPyConnection, source: str, kind: str) -> list[str]:
    """As `conditions_without`, but only those that no source has named."""
    named = {
        str(row[0])
        for row in connection.execute(
            "SELECT '0x' || lower(hex(f.condition_id)) FROM book.condition_facts AS f WHERE f.named_by IS NOT NULL"
        ).fetchall()
    }
    return [condition for condition in conditions_without(connection, source, kind) if condition not in named]


def events_without(connection: duckdb.DuckDBPyConnection, source: str) -> list[str]:
    """Event ids that markets name and that `source` has not been asked about."""
    rows = connection.execute(
        """
        SELECT DISTINCT m.event_id FROM claim.markets AS m
        WHERE m.event_id IS NOT NULL AND m.verdict NOT IN ('refuted', 'quarantined') AND NOT EXISTS (
            SELECT 1 FROM meta.lookups AS k WHERE k.source = ? AND k.kind = 'event' AND k.lookup_key = m.event_id)
        ORDER BY m.event_id
        """,
        [source],
    ).fetchall()
    return [str(row[0]) for row in rows]


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


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
