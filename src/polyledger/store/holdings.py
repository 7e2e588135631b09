"""The border between the compacted sums (book.*_base) and the events that are still counted one by one."""

from __future__ import annotations

from typing import Final

import duckdb

from polyledger.store.views import sql_text

_SETTING: Final = "holdings_upto"
_TAIL: Final = "models/book/tail_events.sql"
NOTHING: Final = -1


def holdings_upto(connection: duckdb.DuckDBPyConnection) -> int:
    """The last transaction (block << 16 | index) that the base counts; -1 while it is empty."""
    rows = connection.execute("SELECT value FROM meta.settings WHERE name = ?", [_SETTING]).fetchall()
    return int(rows[0][0]) if rows else NOTHING


def set_holdings_upto(connection: duckdb.DuckDBPyConnection, upto: int) -> None:
    """Move the border: the setting and, with it, the literal in book.tail_events.

    Belongs into the transaction that fills or empties the base, so that no reader sees one without the other.
    """
    connection.execute("DELETE FROM meta.settings WHERE name = ?", [_SETTING])
    if upto != NOTHING:
        connection.execute("INSERT INTO meta.settings VALUES (?, ?)", [_SETTING, str(upto)])
    view = sql_text("polyledger.store", _TAIL)
    moved = view.replace("CREATE VIEW", "CREATE OR REPLACE VIEW").replace(f"tx > {NOTHING}", f"tx > {upto}")
    connection.execute(moved)


def empty_base(connection: duckdb.DuckDBPyConnection) -> None:
    """Forget the compacted sums; everything is counted from the events again."""
    connection.execute("DELETE FROM book.holdings_base")
    connection.execute("DELETE FROM book.group_cash_base")
    set_holdings_upto(connection, NOTHING)
