"""Writing an imported file again with what the ledger knows of each row: their columns in their order, then ours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from polyledger.domain.errors import InvariantError, OutputExistsError, UsageError
from polyledger.sources.files.opening import OpenedFile, RowBatch, batches, file_digest, open_file
from polyledger.store.database import Database, plain_errors
from polyledger.store.json_lines import JsonLines

ADDED: Final = pa.schema(
    [
        ("condition_id", pa.string()), ("market_id", pa.string()), ("event_id", pa.string()),
        ("category", pa.string()), ("outcome_index", pa.int32()), ("payout", pa.decimal128(26, 6)),
        ("source", pa.string()), ("verdict", pa.string()), ("state", pa.string()), ("reason", pa.string()),
        ("duplicate", pa.bool_()), ("unconfirmed", pa.bool_()),
    ]
)  # fmt: skip
"""The columns that are added."""
_PREFIX: Final = "ledger_"
_LINE: Final = "\0line"
_ROWS: Final = (
    f"SELECT row_number, {', '.join(ADDED.names)} FROM book.enriched_rows "
    "WHERE file = $file AND row_number BETWEEN $first AND $last"
)
_REJECTED: Final = {"state": "unfillable", "reason": "the row could not be read", "duplicate": False,
                    "unconfirmed": False}  # fmt: skip
_ENDINGS: Final = {".parquet": "parquet", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


def write_enriched(
    database: Database,
    file: Path,
    out: Path,
    *,
    format: str | None,  # noqa: A002
    force: bool,
) -> int:
    """Write the rows of an imported file to `out`, each with what it is; returns how many.

    Theirs come first, as they stand in the file and in its order, values of text files as text; JSON lines written as
    JSON lines are theirs to the last digit. Ours follow; where a column of theirs has the name of one of ours, ours is
    called ``ledger_NAME``. Rows that could not be imported are there as well, with the state unfillable.

    Raises:
        UsageError: the file was never imported, is not as it was, or no format is named.
        OutputExistsError: `out` exists and `force` is not given.
        InvariantError: rows in ≠ rows out; nothing is written then.
    """
    chosen = format or _ENDINGS.get(out.suffix.lower())
    if chosen not in {"parquet", "csv", "jsonl"}:
        raise UsageError(f"{out} does not say which format to write", "Give --format parquet, csv or jsonl")
    if out.exists() and not force:
        raise OutputExistsError(f"{out} exists already", "Give --force to replace it, or another name")
    found = database.query("SELECT file, rows FROM imported.files WHERE sha256 = ?", [file_digest(file)])
    if not found:
        raise UsageError(
            f"{file} is not a file that was imported as it now lies there", f"Import it first: polyledger import {file}"
        )
    number, expected = (int(value) for value in found[0])
    partial = out.with_name(f".{out.name}.{os.getpid()}.part")
    with plain_errors(out), ExitStack() as stack:
        stack.callback(partial.unlink, missing_ok=True)
        parse = stack.enter_context(JsonLines())
        cursor = database.cursor()
        stack.callback(cursor.close)
        writer = _Writer(partial, chosen)
        stack.callback(writer.close)
        written = 0
        for batch in _all_batches(open_file(file, parse), parse):
            rows = _enriched(cursor, number, batch, spliced=chosen == "jsonl" and batch.lines is not None)
            writer.write(rows)
            written += rows.num_rows
        writer.close()
        if written != expected:
            raise InvariantError(
                f"{written:,} rows would be written of {file}, which has {expected:,}",
                "Nothing was written; please report this",
            )
        partial.replace(out)
    return written


def _all_batches(opened: OpenedFile, parse: JsonLines) -> Iterator[RowBatch]:
    yield from batches(opened, opened.schema.names, parse)


def _enriched(cursor: duckdb.DuckDBPyConnection, file: int, batch: RowBatch, *, spliced: bool) -> pa.Table:
    """Their columns and ours, a row for every row of the batch, unreadable ones included, in the order of the file.

    With `spliced`, their rows stand in one column `_LINE` as they are, for our fields to be put behind theirs.
    """
    names = batch.table.column_names
    theirs = pa.table({_LINE: batch.lines}) if spliced else batch.table
    theirs = theirs.append_column("\0row", pa.array(batch.row_number))
    if batch.bad:
        lost = pa.table({"\0row": pa.array([row.number for row in batch.bad], pa.int64())})
        theirs = pa.concat_tables([theirs, lost], promote_options="default").sort_by("\0row")
    numbers = theirs.column("\0row").combine_chunks()
    theirs = theirs.drop_columns(["\0row"])
    if not len(numbers):
        return theirs
    bounds = {"file": file, "first": numbers[0].as_py(), "last": numbers[-1].as_py()}
    ours = cursor.sql(_ROWS, params=bounds).to_arrow_table()
    if len(pc.unique(ours.column("row_number"))) != ours.num_rows:
        raise InvariantError(f"A row of file {file} has several attributions", "Please report this")
    places = pc.index_in(numbers, value_set=ours.column("row_number").combine_chunks())
    for field in ADDED:
        column = ours.column(field.name).combine_chunks().cast(field.type).take(places)
        if field.name in _REJECTED:
            column = pc.if_else(pc.is_null(places), pa.scalar(_REJECTED[field.name], field.type), column)
        name = f"{_PREFIX}{field.name}" if field.name in names else field.name
        theirs = theirs.append_column(name, column)
    return theirs


class _Writer:
    """Writes tables of one schema one after the other."""

    def __init__(self, path: Path, kind: str) -> None:
        self._path = path
        self._kind = kind
        self._writer: Any = None
        self._schema: pa.Schema | None = None

    def write(self, rows: pa.Table) -> None:
        """Append rows; the first ones decide the columns and their types."""
        if self._schema is None:
            self._schema = _plain_schema(rows.schema)
            self._open()
        rows = rows.cast(self._schema)
        if self._kind == "jsonl":
            self._writer.write(_lines(rows))
        else:
            self._writer.write_table(rows)

    def _open(self) -> None:
        if self._kind == "parquet":
            self._writer = pq.ParquetWriter(self._path, self._schema, compression="zstd")
        elif self._kind == "csv":
            self._writer = pyarrow.csv.CSVWriter(self._path, self._schema)
        else:
            self._writer = self._path.open("wb")

    def close(self) -> None:
        """Finish the file; again does nothing."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _lines(rows: pa.Table) -> bytes:
    """The rows as JSON lines; amounts as text, so that no digit is lost."""
    ours = rows.drop_columns([_LINE]) if _LINE in rows.column_names else rows
    at = ours.schema.get_field_index("payout")
    if pa.types.is_decimal(ours.schema.field(at).type):
        ours = ours.set_column(at, "payout", ours.column(at).cast(pa.string()))
    with duckdb.connect() as connection:
        connection.register("rows", ours)
        texts = connection.sql("SELECT CAST(to_json(r) AS VARCHAR) AS line FROM rows AS r").to_arrow_table().column(0)
    if ours is not rows and _LINE in rows.column_names:
        texts = _behind(rows.column(_LINE).cast(pa.large_string()), texts.cast(pa.large_string()))
    return "".join(f"{line}\n" for line in texts.to_pylist()).encode()


def _behind(theirs: pa.ChunkedArray, ours: pa.ChunkedArray) -> pa.ChunkedArray:
    """The fields of our objects behind those of theirs; alone where theirs is null."""
    begun = pc.utf8_rtrim_whitespace(pc.utf8_slice_codeunits(pc.utf8_trim_whitespace(theirs), 0, -1))
    comma = pc.if_else(pc.equal(begun, "{"), pa.scalar("", pa.large_string()), pa.scalar(",", pa.large_string()))
    both = pc.binary_join_element_wise(begun, comma, pc.utf8_slice_codeunits(ours, 1), pa.scalar("", pa.large_string()))
    return pc.coalesce(both, ours)


def _plain_schema(schema: pa.Schema) -> pa.Schema:
    """The schema without dictionaries."""
    return pa.schema(
        [
            pa.field(field.name, field.type.value_type if pa.types.is_dictionary(field.type) else field.type)
            for field in schema
        ]
    )
