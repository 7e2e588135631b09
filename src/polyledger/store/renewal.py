"""Views of another version of polyledger, made anew in a ledger that keeps its tables as this version does."""

from __future__ import annotations

from polyledger.store import scopes
from polyledger.store.database import Database
from polyledger.store.holdings import holdings_upto, set_holdings_upto
from polyledger.store.views import SETTING, models_digest, view_texts


def views_are_current(database: Database) -> bool:
    """Whether the views in the file are those of this version."""
    return database.setting(SETTING) == models_digest()


def renew_views(database: Database) -> None:
    """Replace all views, each with what the ledger's state writes into it; in one transaction.

    Args:
        database: open for writing.
    """
    with database.transaction() as connection:
        old = connection.execute(
            "SELECT schema_name, view_name FROM duckdb_views() WHERE NOT internal AND schema_name IN ('book', 'main')"
        ).fetchall()
        for schema, name in old:
            connection.execute(f'DROP VIEW "{schema}"."{name}"')
        connection.execute("\n".join(view_texts()))
        set_holdings_upto(connection, holdings_upto(connection))
        scopes.refresh_views(connection)
        database.set_setting(SETTING, models_digest())
