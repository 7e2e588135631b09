"""A ledger in which some tables are others: the same names, the same views, other rows beneath.

Whatever asks the ledger, asks it in SQL over tables and views by their names. Here these names stand for temporary
views of one connection: those that are given, and every view of the ledger that rests on them. So a question about the
ledger as it stood last year is the same question, put to another `Database`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, cast

import duckdb

from polyledger.store.database import Database, Snapshot, plain_errors
from polyledger.store.views import SCHEMAS

Name = tuple[str, str]

# The engine quotes schemas that are words of its own: "chain".fills.
_NAME: Final = re.compile(rf'"?\b({"|".join(SCHEMAS)})\b"?\."?(\w+)\b"?')
_PLAIN: Final = re.compile(r"\b(?:FROM|JOIN)\s+\(*\s*(\w+)\b(?!\.)", re.IGNORECASE)
_DEFINED: Final = re.compile(r"\b(\w+)\s+AS\s+\(\s*(?:SELECT|WITH)\b", re.IGNORECASE)
_HEAD: Final = re.compile(r"CREATE VIEW .*? AS ", re.DOTALL)
_VIEWS: Final = "SELECT schema_name, view_name, sql FROM duckdb_views() WHERE NOT internal AND NOT temporary"


@contextmanager
def substituted(
    database: Database, tables: Mapping[str, str], views: Mapping[str, str] | None = None, keep: Collection[str] = ()
) -> Iterator[Database]:
    """The ledger with `tables` in the place of its own.

    Args:
        database: the ledger, or a snapshot of it.
        tables: name with schema (``chain.fills``) → a query over the ledger's own tables, with the same columns.
        views: views that are to be others → a query over what takes the place of tables and views, in which ``{whole}``
            is the view as it would be.
        keep: views that stay as they are, although they rest on some of these.
    """
    with plain_errors(database.path):
        connection = database.cursor()
        try:
            depth = database.depth + 1 if isinstance(database, _Substituted) else 0
            yield _Substituted(database, connection, _Substitutes(connection, depth, tables, views or {}, keep), depth)
        finally:
            connection.close()


class _Substitutes:
    """The names that stand for something else. What rests on what is found, and drawn up, when a query needs it."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        depth: int,
        tables: Mapping[str, str],
        views: Mapping[str, str],
        keep: Collection[str],
    ) -> None:
        self._connection = connection
        self._prefix = f"then{depth}"  # substitutes may rest on substitutes
        self._others = {_split(name): query for name, query in views.items()}
        self._texts = {
            (str(schema), str(name)): _HEAD.sub("", str(text), count=1).rstrip().rstrip(";")
            for schema, name, text in connection.execute(_VIEWS).fetchall()
        }
        self._known: dict[Name, str | None] = dict.fromkeys(map(_split, keep))
        for name, query in tables.items():
            own = self._known[_split(name)] = self._own(_split(name))
            self._draw(own, query)

    def renamed(self, sql: str) -> str:
        """The text with other names for all that is something else here."""
        for name in _plain_names(sql):
            self._stand_in(("main", name))
        return _NAME.sub(lambda found: self._stand_in((found[1], found[2])) or found[0], sql)

    def _stand_in(self, name: Name) -> str | None:
        """What stands for `name`; None where the ledger's own does."""
        if name in self._known:
            return self._known[name]
        self._known[name] = None
        body = self._texts.get(name)
        if body is None:  # a table that is not among the given ones
            return None
        own = self._own(name)
        other = self.renamed(body)
        rests = other != body or any(self._known.get(("main", plain)) for plain in _plain_names(body))
        if name in self._others:
            self._draw(f"{own}_whole", other)
            other = self.renamed(self._others[name].replace("{whole}", f"{own}_whole"))
        elif not rests:
            return None
        self._draw(own, other)
        self._known[name] = own
        return own

    def _own(self, name: Name) -> str:
        # A temporary view is found before one of the ledger, and those of the schema main are named without it.
        return name[1] if name[0] == "main" else f"{self._prefix}_{name[0]}_{name[1]}"

    def _draw(self, name: str, query: str) -> None:
        self._connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {query}").fetchall()


def _plain_names(sql: str) -> set[str]:
    """What may be a view of the schema main: names without a schema that the query does not define itself."""
    return {found[1] for found in _PLAIN.finditer(sql)} - {found[1] for found in _DEFINED.finditer(sql)}


def _split(name: str) -> Name:
    schema, _, table = name.partition(".")
    return schema, table


class _Renaming:
    """A connection that reads what is in the place of the ledger's tables."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, substitutes: _Substitutes) -> None:
        self._connection = connection
        self._substitutes = substitutes

    def execute(self, query: str, parameters: Any = None) -> Any:
        return self._connection.execute(self._substitutes.renamed(query), parameters)

    def sql(self, query: str, **arguments: Any) -> Any:
        return self._connection.sql(self._substitutes.renamed(query), **arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def close(self) -> None:
        """Nothing: whoever has put the tables in their place closes it."""


class _Substituted(Snapshot):
    def __init__(
        self, database: Database, connection: duckdb.DuckDBPyConnection, substitutes: _Substitutes, depth: int
    ) -> None:
        super().__init__(database.path, connection)
        self._substitutes = substitutes
        self.depth = depth

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """The one connection, which reads the substitutes."""
        return cast("duckdb.DuckDBPyConnection", _Renaming(self.connection, self._substitutes))
