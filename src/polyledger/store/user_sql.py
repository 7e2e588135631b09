"""SQL that people write: one statement that reads, without access to files, network, settings or the engine itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

import duckdb
import pyarrow as pa

from polyledger.domain.errors import UsageError
from polyledger.store.database import Database, is_damage, plain_errors

NEXT_STEP: Final = "The ledger is read-only for SQL and files cannot be reached; 'SHOW TABLES' lists what can be read"
_KINDS: Final = "SELECT, WITH, FROM, VALUES, EXPLAIN, SHOW, DESCRIBE or SUMMARIZE"
_EXPLAIN: Final = re.compile(r"\s*EXPLAIN\s+(ANALYZE\s+)?(\([^)]*\)\s*)?", re.IGNORECASE)
# The engine switches logging or writes checkpoints through functions that a SELECT may call; these are harmless.
_TABLE_FUNCTIONS: Final = frozenset(
    {
        *("range", "generate_series", "unnest", "repeat", "json_each", "json_tree", "summary", "query_table"),
        *("duckdb_columns", "duckdb_constraints", "duckdb_databases", "duckdb_functions", "duckdb_indexes"),
        *("duckdb_keywords", "duckdb_memory", "duckdb_schemas", "duckdb_settings", "duckdb_tables", "duckdb_types"),
        *("duckdb_views", "icu_calendar_names", "pg_timezone_names", "pragma_collations", "pragma_database_size"),
        *("pragma_show", "pragma_storage_info", "pragma_table_info", "pragma_version"),
    }
)
_REFUSED_FUNCTIONS: Final = frozenset({"write_log", "nextval", "setval"})
_ROWS_PER_BATCH: Final = 8192
# Quotes within a string are escaped in JSON, so this finds keys only. Parsing it would fail on deeply nested queries.
_CALLED: Final = re.compile(r'"function_name":\s*"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Rows:
    """The rows of a query under way: their schema, and batches as they are worked out."""

    schema: pa.Schema
    _reader: pa.RecordBatchReader

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        while True:
            try:
                batch = self._reader.read_next_batch()
            except StopIteration:
                return
            except (OSError, pa.ArrowException) as error:  # how the engine's errors arrive through Arrow
                if "INTERRUPT" in str(error):
                    raise duckdb.InterruptException(str(error)) from error
                raise _refusal(str(error)) from error
            yield batch


def user_query(database: Database, sql: str) -> pa.Table:
    """Run a user's SQL on a ledger that was opened for nothing else, and for reading: it can reach no file afterwards.

    Raises:
        UsageError: not one query, or one that the engine refuses.
    """
    with plain_errors(database.path):
        database.forbid_files()
        database.connection.execute("SET lock_configuration = true")
        with read_only_query(database.connection, sql) as rows:
            return pa.Table.from_batches(list(rows), rows.schema)


@contextmanager
def read_only_query(connection: duckdb.DuckDBPyConnection, sql: str) -> Iterator[Rows]:
    """Check and start a user's SQL on `connection`, whose database has external access switched off.

    The rows see one committed state; they are worked out while they are read, so that memory does not hold them all.

    Raises:
        UsageError: not one query, or one that the engine refuses.
        duckdb.InterruptException: `connection.interrupt()` was called.
    """
    try:
        _check(connection, sql)
        connection.execute("BEGIN TRANSACTION READ ONLY")
        try:
            reader = connection.sql(sql).to_arrow_reader(_ROWS_PER_BATCH)
            try:
                yield Rows(reader.schema, reader)
            finally:
                reader.close()
        finally:
            with suppress(duckdb.Error):
                connection.execute("ROLLBACK")
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        if is_damage(error):
            raise  # the file is to blame, not the query
        raise _refusal(str(error)) from error


def _check(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """One statement that reads, and none of the engine's functions that do something."""
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise UsageError(f"This is {len(statements)} SQL statements, not one", "Give one query at a time")
    (statement,) = statements
    query = statement.query
    if statement.type == duckdb.StatementType.EXPLAIN:
        query = query[match.end() :] if (match := _EXPLAIN.match(query)) else query
    elif statement.type != duckdb.StatementType.SELECT:
        raise _refusal(f"{statement.type.name} is not a query; it can be {_KINDS}")
    ((tree,),) = connection.execute("SELECT json_serialize_sql(?)", [query]).fetchall()
    if tree.startswith('{"error":true'):
        raise _refusal(f"only plain queries can be looked through before they run: {_KINDS}; write PIVOT as sums")
    called = {name.lower() for name in _CALLED.findall(tree)}
    rows = connection.execute(
        "SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE function_type = 'table'"
    ).fetchall()
    refused = called & (_REFUSED_FUNCTIONS | ({row[0] for row in rows} - _TABLE_FUNCTIONS))
    if refused:
        raise _refusal(f"the function {min(refused)} is not for queries")


def _refusal(said: str) -> UsageError:
    return UsageError(f"The query was refused: {said.strip()}", NEXT_STEP)
