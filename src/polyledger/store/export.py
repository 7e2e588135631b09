"""Writing what the ledger holds to files: its views, and the tables that projects around Polymarket work with.

Rows are sorted by their long ids, so that equal ledgers give equal bytes. A file appears under its name only when it is
complete and has as many rows as the ledger says it must have.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import IO, Any, Final

import duckdb

from polyledger.domain.errors import InvariantError, OutputExistsError, UsageError
from polyledger.store.database import Database, plain_errors

__all__ = ["EXPORTS", "FORMATS", "Exported", "Shape", "export"]


@dataclass(frozen=True, slots=True)
class Shape:
    """One thing that can be exported.

    Attributes:
        order: columns that make the order of the rows reproducible.
        view: the view to write as it stands, amounts in millionths; else ``exports/NAME.sql`` is, with DECIMAL amounts
            in USDC or shares.
        expected: a query for how many rows there must be; without it no count is known beforehand.
        left_out: a query for how many things of the ledger have no row because they lack what the rows are about.
        lacking: what those lack, for the message.
        key: in a JSON document, the column whose value names the row's entry, nulls left out; else rows are a list.
        nested: in such an entry, columns that stand together under one name: name → column → name there.
    """

    order: str
    view: str | None = None
    expected: str | None = None
    left_out: str | None = None
    lacking: str | None = None
    key: str | None = None
    nested: dict[str, dict[str, str]] = field(default_factory=dict)


EXPORTS: Final = {
    "fills": Shape("block, log_index", view="fills"),
    "journal": Shape(
        "block, log_index, account, asset, token_id, amount, reason, condition_id", view="journal"
    ),
    "positions": Shape("wallet, token_id", view="positions"),
    "wallets": Shape("wallet", view="wallets"),
    "conditions": Shape("condition_id", view="conditions"),
    "markets": Shape("condition_id, market_id", view="markets"),
    "mapping": Shape(
        "condition_id",
        expected="SELECT count(*) FROM book.exported_conditions WHERE market_id IS NOT NULL",
        left_out="SELECT count(*) FROM book.exported_conditions WHERE market_id IS NULL",
        lacking="conditions without a market",
        key="condition_id",
        nested={
            "resolution": {
                "resolution_state": "state", "payouts": "payouts", "winner_index": "winner_index", "winner": "winner",
                "resolution_source": "source", "resolution_verdict": "verdict", "resolved_at": "resolved_at",
            },
            "statistics": {
                name: name for name in ("trades", "volume", "wallets", "first_trade", "last_trade")
            },
        },
    ),
    "markets-dim": Shape(
        "condition_id, market_id",
        expected="SELECT count(*) FROM book.exported_conditions WHERE named_by IS NOT NULL",
        left_out="SELECT count(*) FROM book.exported_conditions WHERE named_by IS NULL",
        lacking="conditions that no source has named",
    ),
    "events-dim": Shape(
        "event_id",
        expected="SELECT count(DISTINCT event_id) FROM book.exported_conditions "
        "WHERE event_id IN (SELECT event_id FROM claim.events)",
        left_out="SELECT count(DISTINCT event_id) FROM book.exported_conditions "
        "WHERE event_id NOT IN (SELECT event_id FROM claim.events)",
        lacking="events that markets name and no source has described",
    ),
    "resolutions": Shape("condition_id", expected="SELECT count(*) FROM book.exported_conditions"),
    "enriched-trades": Shape("file, row_number", expected="SELECT count(*) FROM imported.trades"),
    "missing-trades": Shape(
        "block, log_index",
        expected="SELECT (SELECT count(*) FROM chain.fills) - count(*) "
        "FROM (SELECT DISTINCT tx, log_index FROM imported.matches WHERE tx IS NOT NULL) AS m",
    ),
    "wallet-category-breakdown": Shape(
        "wallet, category", expected="SELECT count(*) FROM book.wallet_categories"
    ),
}  # fmt: skip
FORMATS: Final = {
    "parquet": "(FORMAT parquet, COMPRESSION zstd)",
    "csv": "(FORMAT csv, HEADER)",
    "jsonl": "(FORMAT json)",
    "json": "",
}
_ENDINGS: Final = {
    ".parquet": "parquet", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json",
}  # fmt: skip
_INSERTED: Final = {"mapping": ("markets_dim", "resolutions")}
"""Exports whose query reads that of others."""
_SECONDS: Final = "strftime({name}, '%Y-%m-%dT%H:%M:%SZ')"


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote: the number of rows, and of the things it left out (`lacking` says why)."""

    rows: int
    left_out: int = 0
    lacking: str | None = None


def export(database: Database, what: str, out: Path, *, format: str | None, force: bool) -> Exported:  # noqa: A002
    """Write one of `EXPORTS` to `out`.

    Args:
        database: the ledger.
        what: a key of `EXPORTS`.
        out: the file to write.
        format: a key of `FORMATS`; without it the ending of the file decides.
        force: replace a file that exists.

    Raises:
        UsageError: an unknown export or format, or a folder that does not exist.
        OutputExistsError: the file exists and `force` is not given.
        InvariantError: rows were lost or doubled on the way; nothing is written.
    """
    if what not in EXPORTS:
        raise UsageError(f"There is no export {what!r}", f"Choose one of {', '.join(EXPORTS)}")
    shape = EXPORTS[what]
    chosen = _format(out, format)
    query = f"SELECT * FROM {shape.view}" if shape.view is not None else query_of(what)

    def write(cursor: duckdb.DuckDBPyConnection, partial: Path) -> Exported:
        cursor.execute("BEGIN TRANSACTION")  # the rows and their expected number are of the same moment
        left_out = 0 if shape.left_out is None else _number(cursor, shape.left_out)
        if chosen == "json":
            head: dict[str, Any] = {"schema": f"polyledger.export-{what}/1", **_latest_run(cursor)}
            if shape.lacking is not None:
                head["left_out"] = left_out
            rows = _write_document(cursor, what, query, head, partial)
        else:
            plain = shape.view is not None or chosen == "parquet"
            select = "*" if plain else _textual(_columns(cursor, query), json=chosen == "jsonl")
            rows = copy(cursor, f"SELECT {select} FROM ({query}) ORDER BY {shape.order}", partial, chosen)
        if shape.expected is not None:
            assert_count(what, rows, _number(cursor, shape.expected))
        return Exported(rows, left_out, shape.lacking)

    return written_aside(database, out, write, force=force)


def written_aside(
    database: Database, out: Path, write: Callable[[duckdb.DuckDBPyConnection, Path], Exported], *, force: bool
) -> Exported:
    """Have `write` fill a file beside `out`, which takes its name when all went well and disappears otherwise.

    `write` is given a cursor of its own and the path; it checks what it wrote and raises when it is not right.
    """
    if out.exists() and not force:
        raise OutputExistsError(f"{out} exists already", "Give --force to replace it, or another name")
    if not out.parent.is_dir():
        raise UsageError(f"The folder {out.parent} does not exist", "Make it first, or give another name")
    partial = out.with_name(f".{out.name}.{os.getpid()}.part")
    with plain_errors(out):
        cursor = database.cursor()
        try:
            exported = write(cursor, partial)
            partial.replace(out)
        finally:
            cursor.close()
            partial.unlink(missing_ok=True)
    return exported


def copy(cursor: duckdb.DuckDBPyConnection, query: str, path: Path, format: str) -> int:  # noqa: A002
    """Stream the rows of a query to a Parquet, CSV or JSONL file; returns how many."""
    quoted = str(path).replace("'", "''")
    ((rows,),) = cursor.execute(f"COPY ({query}) TO '{quoted}' {FORMATS[format]}").fetchall()
    return int(rows)


def assert_count(what: str, rows: int, expected: int) -> None:
    """Raises InvariantError when an export has not exactly as many rows as the ledger says it must have."""
    if rows != expected:
        raise InvariantError(
            f"The export {what} has {rows:,} rows where the ledger has {expected:,}",
            "Nothing was written; please report this with the output of 'polyledger verify'",
        )


@cache
def query_of(what: str) -> str:
    """The text of ``exports/NAME.sql``, with the queries that it reads put in their places."""
    name = what.replace("-", "_")
    text = resources.files("polyledger.store").joinpath("exports", f"{name}.sql").read_text(encoding="utf-8")
    for other in _INSERTED.get(what, ()):
        text = text.replace(f"{{{other}}}", query_of(other))
    return text


def _format(out: Path, given: str | None) -> str:
    chosen = given or _ENDINGS.get(out.suffix.lower())
    if chosen not in FORMATS:
        raise UsageError(f"{out} does not say which format to write", f"Give --format {', '.join(FORMATS)}")
    return chosen


def _columns(cursor: duckdb.DuckDBPyConnection, query: str) -> list[tuple[str, str]]:
    """Names and types of the columns of a query."""
    return [(row[0], row[1]) for row in cursor.execute(f"DESCRIBE {query}").fetchall()]


def _textual(columns: list[tuple[str, str]], *, json: bool) -> str:
    """A select list for text formats: times in ISO 8601, amounts exact; in CSV, lists as JSON text."""
    return ", ".join(f"{_cell(name, kind, json=json)} AS {name}" for name, kind in columns)


def _cell(name: str, kind: str, *, json: bool) -> str:
    if kind == "TIMESTAMP":
        return _SECONDS.format(name=name)
    if kind.endswith("[]"):
        exact = f"CAST({name} AS VARCHAR[])" if kind.startswith("DECIMAL") else name
        return exact if json else f"CAST(to_json({exact}) AS VARCHAR)"
    if kind.startswith("DECIMAL") and json:
        return f"CAST({name} AS VARCHAR)"
    return name


def _write_document(cursor: duckdb.DuckDBPyConnection, what: str, query: str, head: dict[str, Any], path: Path) -> int:
    """One JSON document: the members of the head, then the rows under the export's name."""
    shape, columns = EXPORTS[what], _columns(cursor, query)
    inner = f"SELECT {_textual(columns, json=True)} FROM ({query})"
    opening, closing = ("[", "]") if shape.key is None else ("{", "}")
    with path.open("w", encoding="utf-8") as file:
        file.write("{" + "".join(f"{json.dumps(name)}:{json.dumps(value)},\n" for name, value in head.items()))
        file.write(f"{json.dumps(_document_name(what))}:{opening}\n")
        rows = _write_entries(
            cursor, f"SELECT {_entry(shape, columns)} FROM ({inner}) AS r ORDER BY {shape.order}", file
        )
        file.write(f"\n{closing}}}\n")
    return rows


def _entry(shape: Shape, columns: list[tuple[str, str]]) -> str:
    """The expression that makes the JSON text of a row of ``r``."""
    if shape.key is None:
        return "CAST(to_json(r) AS VARCHAR)"
    together = {column for group in shape.nested.values() for column in group}
    members = [_member(name, name) for name, _ in columns if name not in together]
    for name, group in shape.nested.items():
        inside = ", ".join(_member(inner, column) for column, inner in group.items())
        members.append(f"'{name}', json_object({inside})")
    # A JSON merge patch takes members away that are null, at any depth.
    return f"to_json({shape.key}) || ':' || json_merge_patch('{{}}', json_object({', '.join(members)}))"


def _member(name: str, column: str) -> str:
    return f"'{name}', {column}"


def _write_entries(cursor: duckdb.DuckDBPyConnection, query: str, file: IO[str]) -> int:
    rows = 0
    for batch in cursor.sql(query).to_arrow_reader(100_000):
        if batch.num_rows:
            file.write((",\n" if rows else "") + ",\n".join(batch.column(0).to_pylist()))
            rows += batch.num_rows
    return rows


def _document_name(what: str) -> str:
    return "market_id_lookup_results" if what == "mapping" else what.replace("-", "_")


def _latest_run(cursor: duckdb.DuckDBPyConnection) -> dict[str, str]:
    rows = cursor.execute("SELECT run_id FROM meta.runs ORDER BY started_at DESC LIMIT 1").fetchall()
    return {"run_id": str(rows[0][0])} if rows else {}


def _number(cursor: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(cursor.execute(query).fetchall()[0][0])
