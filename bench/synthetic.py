"""Synthetic ledgers in the project's own schema, and the same with long ids in place of the keys."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb

from bench.figures import progress
from polyledger.ctf.contracts import ContractSet
from polyledger.identity.reconcile import reconcile
from polyledger.ledger.contracts import register_contracts
from polyledger.store.database import Database
from polyledger.store.views import MODELS, SCHEMAS, sql_text
from polyledger.sync.compaction import fold_holdings

_HERE = Path(__file__).parent
_CHUNK = 20_000_000
_LAST_BLOCK = 100_000_000  # beyond all synthetic fills
# The measured ledgers hold no imports, and what imported rows are known by is numbered, which text ids are not.
_NO_IMPORTS = {
    "book/identity_links": """
CREATE VIEW book.identity_links AS
SELECT 0 AS identity, '' AS token, '' AS condition, 0 AS outcome_index, '' AS state, '' AS reason, '' AS verdict,
       '' AS position
WHERE false""",
    "book/imported_links": """
CREATE VIEW book.imported_links AS
SELECT CAST(0 AS BIGINT) AS link, 0 AS identity, '' AS token, '' AS condition, 0 AS outcome_index, '' AS position,
       '' AS state, '' AS reason, '' AS verdict
WHERE false""",
    "book/imported_rows": """
CREATE VIEW book.imported_rows AS
SELECT t.*, CAST(0 AS BIGINT) AS link, 0 AS standing FROM imported.trades AS t WHERE false""",
}
_KEY_COLUMNS = (
    "account",
    "token",
    "token0",
    "token1",
    "condition",
    "neg_risk_market",
    "contract",
    "wallet",
    "counterparty",
    "pool",
    "funder",
    "trader",
    "stakeholder",
    "collateral",
    "redeemer",
    "sender",
    "recipient",
    "second_recipient",
    "receiver",
    "oracle",
    "clearing",
    "initiator",
)
_KEY = re.compile(rf"^(\s*)({'|'.join(_KEY_COLUMNS)}) INTEGER\b", re.MULTILINE)
_WALLET = "'0x' || left(sha256('w' || {0}), 40)"
_LONG = "'0x' || sha256('{1}' || {0})"


def connect(path: Path, memory_limit: str, *, read_only: bool = True) -> duckdb.DuckDBPyConnection:
    """A database file as the measurements open it."""
    config: dict[str, Any] = {"memory_limit": memory_limit, "preserve_insertion_order": False}
    config["temp_directory"] = f"{path}.spill"
    connection = duckdb.connect(str(path), read_only=read_only, config=config)
    connection.execute("SET enable_progress_bar = false")
    return connection


def build(path: Path, rows: int, memory_limit: str) -> None:
    """A ledger of ``rows`` fills at ``path``."""
    wallets, conditions = max(1000, rows // 120), max(500, min(100_000, rows // 400))
    database = Database(path, read_only=False, memory_limit=memory_limit, threads=None)
    database.connection.execute("SET enable_progress_bar = false")
    sizes = {"wallets": wallets, "conditions": conditions, "positions": max(1000, rows // 5)}
    with database.transaction() as connection:
        register_contracts(connection, ContractSet.mainnet())
        for statement in (_HERE / "sql" / "dimensions.sql").read_text().format(**sizes).split(";"):
            if statement.strip():
                connection.execute(statement)
        reconcile(connection)
    fills = (_HERE / "sql" / "fills.sql").read_text()
    for first in range(0, rows, _CHUNK):
        last = min(rows, first + _CHUNK)
        with database.transaction() as connection:
            connection.execute(fills.format(first=first, last=last, **sizes))
        progress(f"{last:,} synthetic fills")
    database.close()


def fold(path: Path, memory_limit: str) -> None:
    """All fills into the compacted sums, as a sync does with finalized blocks."""
    database = Database(path, read_only=False, memory_limit=memory_limit, threads=None)
    fold_holdings(database, _LAST_BLOCK, worth=1)
    database.close()


def build_long(path: Path, source: Path, memory_limit: str) -> None:
    """The ledger at ``source`` with text ids (0x and 64 hex digits, addresses 40) wherever it has integer keys.

    Schema and views are the project's own files with the type of the key columns changed, so both answer the same
    queries. Columns that no measured query reads are not spelt out.
    """
    connection = connect(path, memory_limit, read_only=False)
    connection.execute(f"ATTACH '{source}' AS short (READ_ONLY)")
    for schema in SCHEMAS:
        connection.execute(f"CREATE SCHEMA {schema}")
        folder = resources.files("polyledger.store").joinpath("schema", schema)
        for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
            text = re.sub(r"\(([^\n]*)\);\s*$", _one_line, file.read_text())
            connection.execute(_KEY.sub(r"\1\2 VARCHAR", text))
    for model in MODELS:
        connection.execute(_NO_IMPORTS.get(model) or sql_text("polyledger.store", f"models/{model}.sql"))
    tables = connection.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'short' AND estimated_size > 0"
    ).fetchall()
    for schema, table in tables:
        connection.execute(_copy(connection, schema, table))
        progress(f"{schema}.{table} with long ids")
    connection.close()


def _one_line(match: re.Match[str]) -> str:
    """Small tables are declared on one line: one column to a line, as the others are."""
    return "(\n" + ",\n".join(part.strip() for part in match[1].split(", ")) + "\n);"


def _copy(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> str:
    described = connection.execute(
        "SELECT column_name, data_type FROM duckdb_columns() "
        "WHERE database_name = 'short' AND schema_name = ? AND table_name = ? ORDER BY column_index",
        [schema, table],
    ).fetchall()
    columns = ", ".join(_long(table, name, kind) for name, kind in described)
    return f"INSERT INTO {schema}.{table} SELECT {columns} FROM short.{schema}.{table}"


def _long(table: str, column: str, kind: str) -> str:
    if column not in _KEY_COLUMNS or kind != "INTEGER":
        return column
    if table == "fills" and column in {"contract", "counterparty"}:
        return "''"
    if column.startswith("token"):
        return f"CASE WHEN {column} IS NOT NULL THEN {_LONG.format(column, 't')} END"
    if column in {"condition", "neg_risk_market"}:
        return f"CASE WHEN {column} IS NOT NULL THEN {_LONG.format(column, column[0])} END"
    return f"CASE WHEN {column} IS NOT NULL THEN {_WALLET.format(column)} END"
