"""Who could know a key: what decides whether a trade is still pending or cannot be filled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import duckdb

KINDS = ("token", "market_id", "slug", "transaction")
"""Kinds of keys in meta.lookups by which an imported trade can be known."""


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
