"""Which kind of file it is, and its rows in batches of text or Parquet columns."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from polyledger.domain.errors import UnreadableFileError

PARQUET: Final = "parquet"
CSV: Final = "csv"
JSON_LINES: Final = "jsonl"
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_PARQUET: Final = b"PAR1"
_LOOK: Final = 1 << 20
_CSV_BLOCK: Final = 32 << 20
_LINES_BLOCK: Final = 64 << 20
_ROWS_PER_BATCH: Final = 1 << 20
_DELIMITERS: Final = ",;\t|"
_SHOWN: Final = 200
_NULLS: Final = ["", "NULL", "null", "None", "NaN", "nan", "\\N"]

# Texts of JSON objects, one a row, and the names wanted → a text column for each; null where the row lacks it.
# Rows that are no object are null in the column of that name.
ParseLines = Callable[[pa.Array, Sequence[str]], pa.Table]
IS_OBJECT: Final = "\0object"


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that the file itself does not hold whole: its number (1 is the first row of data), why, and its text."""

    number: int
    reason: str
    text: str


@dataclass(slots=True)
class RowBatch:
    """Some rows: the wanted columns, and the number of each row. `position` is how far the file has been read.

    `lines` holds the rows as they stand in a file of JSON lines.
    """

    table: pa.Table
    row_number: np.ndarray[tuple[int], np.dtype[np.int64]]
    position: int
    bad: list[BadRow] = field(default_factory=list)
    lines: pa.Array | None = None


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A file whose kind and columns are known. `schema` gives text for every column of a text file."""

    path: Path
    kind: str
    compression: str | None
    schema: pa.Schema
    size: int
    rows: int | None  # known beforehand for Parquet only
    delimiter: str = ","
    samples: pa.Table | None = None  # the first rows

    @property
    def name(self) -> str:
        """The file name without folders."""
        return self.path.name


def open_file(path: Path, parse: ParseLines) -> OpenedFile:
    """Find out what a file is, by its content.

    Raises:
        UnreadableFileError: missing, empty, truncated, or of a kind that is not known.
    """
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise UnreadableFileError(f"{path} is a folder, not a file", "Name the files, for example with a *")
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise UnreadableFileError(f"{path} cannot be read ({error.strerror})", "Check the name") from error
    if not size:
        raise UnreadableFileError(f"{path} is empty: it has no bytes at all", "Look at what wrote it")
    if magic == _PARQUET:
        return _open_parquet(path, size)
    compression = "gzip" if magic[:2] == _GZIP else "zstd" if magic == _ZSTD else None
    with _reading(path):
        stream = _stream(path, compression)[1]
        start = stream.read(_LOOK)
    if compression and start[:4] == _PARQUET:
        raise UnreadableFileError(
            f"{path} is a compressed Parquet file", "Unpack it first: Parquet compresses by itself"
        )
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        raise UnreadableFileError(f"{path} is empty: it holds nothing but blanks", "Look at what wrote it")
    if text[:1] == b"{":
        return _open_lines(path, compression, size, start, parse)
    if text[:1] == b"[":
        raise UnreadableFileError(
            f"{path} is one JSON array, not JSON lines",
            "Put one object on each line, for example with: jq -c '.[]'",
        )
    if text[:1] == b"<":
        raise UnreadableFileError(f"{path} holds HTML or XML, not rows", "Look at what wrote it")
    return _open_csv(path, compression, size, text)


def file_digest(path: Path) -> bytes:
    """SHA-256 of the file as it lies on disk."""
    with _reading(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def batches(
    opened: OpenedFile, columns: Sequence[str], parse: ParseLines, *, repeating: Sequence[str] = ()
) -> Iterator[RowBatch]:
    """The rows of a file in order, with the named columns only.

    Args:
        opened: the file.
        columns: of the file, at least one.
        parse: reads JSON lines.
        repeating: columns whose values repeat; as far as the file allows they come as dictionaries.

    Raises:
        UnreadableFileError: the file ends in the middle, or is damaged; names the place as far as it is known.
    """
    with _reading(opened.path):
        if opened.kind == PARQUET:
            yield from _parquet_batches(opened, columns, repeating)
        elif opened.kind == CSV:
            yield from _csv_batches(opened, columns)
        else:
            yield from _line_batches(opened, columns, parse)


class _reading:  # noqa: N801 - reads as a statement
    """Turns errors of the system and of Arrow into ours."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, UnreadableFileError):
            return
        if isinstance(error, pa.ArrowException | OSError | EOFError | UnicodeDecodeError):
            said = " ".join(str(error).split())
            if "truncated" in said.lower():
                raise UnreadableFileError(
                    f"{self._path} ends in the middle of its compressed data", "Fetch or copy the file again"
                ) from error
            raise UnreadableFileError(
                f"{self._path} cannot be read to its end ({said[:_SHOWN]})", "Check the file, or fetch it again"
            ) from error


def _stream(path: Path, compression: str | None) -> tuple[BinaryIO, pa.NativeFile | BinaryIO]:
    """The file itself, whose position tells the progress, and the stream of its content."""
    file = path.open("rb")
    return file, file if compression is None else pa.CompressedInputStream(file, compression)


# --- Parquet


def _open_parquet(path: Path, size: int) -> OpenedFile:
    with _reading(path):
        file = pq.ParquetFile(path)
        rows = file.metadata.num_rows
        if not rows:
            raise UnreadableFileError(f"{path} has columns but no rows", "Look at what wrote it")
        samples = next(file.iter_batches(batch_size=100), None)
        table = None if samples is None else pa.Table.from_batches([samples])
        return OpenedFile(path, PARQUET, None, file.schema_arrow, size, rows, samples=table)


def _parquet_batches(opened: OpenedFile, columns: Sequence[str], repeating: Sequence[str]) -> Iterator[RowBatch]:
    wanted = [name for name in opened.schema.names if name in set(columns)]
    texts = [name for name in wanted if name in set(repeating) and _is_text(opened.schema.field(name).type)]
    file = pq.ParquetFile(opened.path, read_dictionary=texts)
    number = 0
    for batch in file.iter_batches(batch_size=_ROWS_PER_BATCH, columns=wanted):
        count = batch.num_rows
        number += count
        numbers = np.arange(number - count + 1, number + 1, dtype=np.int64)
        share = number / max(file.metadata.num_rows, 1)
        yield RowBatch(pa.Table.from_batches([batch]), numbers, int(share * opened.size))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


# --- CSV


def _open_csv(path: Path, compression: str | None, size: int, start: bytes) -> OpenedFile:
    try:
        text = start.decode("utf-8")
    except UnicodeDecodeError as error:
        text = start[: error.start].decode("utf-8")  # the look may end within a character
        if len(start) - error.start > 4:
            raise UnreadableFileError(
                f"{path} is no Parquet, CSV or JSON lines: it is not text in UTF-8",
                "Convert it, or unpack it first if it is an archive",
            ) from error
    first = text.splitlines()[0]
    delimiter = max(_DELIMITERS, key=first.count)
    names = next(csv.reader(io.StringIO(text), delimiter=delimiter))
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UnreadableFileError(f"{path} has two columns {twice!r}", "Give each column its own name")
    if len(text.splitlines()) < 2:
        raise UnreadableFileError(f"{path} has no rows: only a line of column names", "Look at what wrote it")
    schema = pa.schema([(name, pa.string()) for name in names])
    opened = OpenedFile(path, CSV, compression, schema, size, None, delimiter=delimiter)
    samples = _csv_sample(text, opened)
    return OpenedFile(path, CSV, compression, schema, size, None, delimiter=delimiter, samples=samples)


def _csv_sample(text: str, opened: OpenedFile) -> pa.Table:
    rows = []
    for row in csv.reader(io.StringIO(text), delimiter=opened.delimiter):
        rows.append(row)
        if len(rows) > 100:
            break
    names = opened.schema.names
    whole = [row for row in rows[1:] if len(row) == len(names)]
    return pa.table({name: pa.array([row[i] or None for row in whole], pa.string()) for i, name in enumerate(names)})


def _csv_batches(opened: OpenedFile, columns: Sequence[str]) -> Iterator[RowBatch]:
    file, stream = _stream(opened.path, opened.compression)
    bad: list[BadRow] = []

    def skip(row: pa.csv.InvalidRow) -> str:
        number = 0 if row.number is None else row.number - 1  # the line of names counts as a row there
        bad.append(BadRow(number, f"{row.actual_columns} values where {row.expected_columns} columns are", row.text))
        return "skip"

    reader = pa.csv.open_csv(
        stream,
        read_options=pa.csv.ReadOptions(block_size=_CSV_BLOCK, use_threads=False),
        parse_options=pa.csv.ParseOptions(
            delimiter=opened.delimiter, newlines_in_values=True, invalid_row_handler=skip
        ),
        convert_options=pa.csv.ConvertOptions(
            column_types=dict.fromkeys(opened.schema.names, pa.string()),
            include_columns=list(columns),
            strings_can_be_null=True,
            null_values=_NULLS,
        ),
    )
    number = 0  # of the last row seen, bad ones included
    waiting: list[pa.RecordBatch] = []
    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            batch = None
        if batch is not None:
            waiting.append(batch)
        if waiting and (batch is None or sum(one.num_rows for one in waiting) >= _ROWS_PER_BATCH):
            table = pa.Table.from_batches(waiting)
            numbers, taken = _numbers(number, table.num_rows, [row.number for row in bad])
            # A bad row behind the last whole one belongs to the next batch, or to the end.
            now, bad[:] = bad[:taken], bad[taken:]
            number = max([number, *numbers[-1:].tolist(), *(row.number for row in now)])
            yield RowBatch(table, numbers, file.tell(), now)
            waiting = []
        if batch is None:
            break
    if bad:
        table = reader.schema.empty_table()
        yield RowBatch(table, np.zeros(0, np.int64), file.tell(), bad)


def _numbers(last: int, count: int, skipped: Sequence[int]) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], int]:
    """The numbers of `count` whole rows after row `last`, passing over `skipped`; how many were passed over."""
    taken = 0
    end = last + count
    for number in skipped:
        if number > end + 1:
            break
        end += 1
        taken += 1
    candidates = np.arange(last + 1, end + 1, dtype=np.int64)
    return candidates[~np.isin(candidates, np.asarray(skipped[:taken], np.int64))], taken


# --- JSON lines


def _open_lines(path: Path, compression: str | None, size: int, start: bytes, parse: ParseLines) -> OpenedFile:
    whole = start if len(start) < _LOOK else start[: start.rfind(b"\n") + 1] or start
    lines = _lines(whole)[0].slice(0, 1000)
    names = _names(lines)
    schema = pa.schema([(name, pa.string()) for name in names])
    samples = parse(lines, names).slice(0, 100)
    return OpenedFile(path, JSON_LINES, compression, schema, size, None, samples=samples)


def _names(lines: pa.Array) -> list[str]:
    import msgspec

    names: dict[str, None] = {}
    for line in lines.to_pylist():
        try:
            row = msgspec.json.decode(line)
        except msgspec.DecodeError:
            continue
        if isinstance(row, dict):
            names.update(dict.fromkeys(row))
    return list(names)


def _line_batches(opened: OpenedFile, columns: Sequence[str], parse: ParseLines) -> Iterator[RowBatch]:
    file, stream = _stream(opened.path, opened.compression)
    rest = b""
    number = 0
    while True:
        block = stream.read(_LINES_BLOCK)
        text = rest + block
        cut = text.rfind(b"\n") + 1 if block else len(text)
        rest = text[cut:]
        if cut:
            lines, count, places = _numbered_lines(text[:cut])
            table = parse(lines, columns)
            yield _line_batch(table, lines, places + number + 1, file.tell())
            number += count
        if not block:
            break


def _line_batch(
    table: pa.Table, lines: pa.Array, numbers: np.ndarray[tuple[int], np.dtype[np.int64]], position: int
) -> RowBatch:
    whole = table.column(IS_OBJECT).to_numpy(zero_copy_only=False)
    table = table.drop_columns([IS_OBJECT])
    if bool(whole.all()):
        return RowBatch(table, numbers, position, lines=lines)
    broken = np.flatnonzero(~whole)
    texts = lines.take(pa.array(broken)).to_pylist()
    bad = [
        BadRow(int(numbers[place]), "the line is not a JSON object", text.rstrip("\r\n"))
        for place, text in zip(broken.tolist(), texts, strict=True)
    ]
    keep = np.flatnonzero(whole)
    chosen = pa.array(keep)
    return RowBatch(table.take(chosen), numbers[keep], position, bad, lines.take(chosen))


def _numbered_lines(text: bytes) -> tuple[pa.Array, int, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """The lines that are not blank, how many lines there are, and the place of each line."""
    lines, lengths = _lines(text)
    full = np.flatnonzero(lengths > 2)
    if len(full) < len(lines):
        blank = np.array([not line.strip() for line in lines.filter(pa.array(lengths <= 2)).to_pylist()], np.bool_)
        keep = np.ones(len(lines), np.bool_)
        keep[np.flatnonzero(lengths <= 2)[blank]] = False
        full = np.flatnonzero(keep)
        return lines.take(pa.array(full)), len(keep), full
    return lines, len(lines), full


def _lines(text: bytes) -> tuple[pa.Array, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Each line, its end included, as text; and their lengths in bytes."""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        text = text.decode("utf-8", "replace").encode("utf-8")
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == 10) + 1
    if not len(ends) or ends[-1] != len(text):
        ends = np.append(ends, len(text))
    offsets = np.concatenate([[0], ends]).astype(np.int64)
    array = pa.LargeStringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(text))
    return array, np.diff(offsets)
