"""Importing files: one after the other, each whole or not at all; a file that fails does not stop the others."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from polyledger.domain.errors import PolyledgerError, StorageFullError, UnreadableFileError, UsageError
from polyledger.ledger.import_matches import match_imports
from polyledger.ledger.imports import FileFacts, TradeWriter, known_file
from polyledger.sources.files.columns import RAW_AMOUNTS, TRADE_NAMES, check_mapping, trade_columns
from polyledger.sources.files.opening import OpenedFile, batches, file_digest, open_file
from polyledger.sources.files.trades import Reject, TradeBatch, read_trades, relative_error, repeating
from polyledger.store.attribution import attribute
from polyledger.store.database import Database, plain_errors
from polyledger.store.json_lines import JsonLines

REJECTS_FOLDER: Final = "rejects"
TRADES: Final = "trades"
_SAMPLE_ROWS: Final = 5

Progress = Callable[[dict[str, Any]], None]
Document = dict[str, Any]


@dataclass
class FileReport:
    """What came of one file."""

    path: Path
    state: str = "failed"  # imported, already_imported, failed
    message: str | None = None
    rows: int = 0
    imported: int = 0
    rejected: int = 0
    repeats: int = 0
    duplicates: int = 0
    columns: dict[str, str] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)
    rejects: Path | None = None
    reasons: list[str] = field(default_factory=list)
    file: int | None = None
    seconds: float = 0.0


class TradeImport:
    """The import of files of trades into an open ledger that this process may write."""

    def __init__(self, database: Database, workspace: Path, *, mapping: Mapping[str, str], progress: Progress) -> None:
        self._database = database
        self._workspace = workspace
        self._mapping = mapping
        self._progress = progress
        self._run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        self.reports: list[FileReport] = []

    def run(self, paths: Sequence[Path]) -> list[FileReport]:
        """Import the files in order.

        Raises:
            UsageError: the mapping is wrong in itself, or names no column of any file.
            StorageFullError: the disk is full; files before this one are imported.
        """
        threads = self._database.query("SELECT current_setting('threads')")[0][0]
        with JsonLines(int(threads)) as parse:
            check_mapping(TRADE_NAMES, self._mapping, tuple(RAW_AMOUNTS))
            _require_mapped(paths, self._mapping, parse)
            for path in paths:
                report = FileReport(path)
                began = time.monotonic()
                self.reports.append(report)
                try:
                    self._import(path, report, parse)
                except (StorageFullError, UsageError):
                    raise
                except PolyledgerError as error:
                    report.state, report.message = "failed", str(error)
                report.seconds = time.monotonic() - began
        self._progress({"stage": "import", "message": "looking for the rows among the fills of the chain"})
        match_imports(self._database)
        self._count_duplicates()
        with self._database.transaction() as connection:
            attribute(connection)
        return self.reports

    def _count_duplicates(self) -> None:
        rows = self._database.query(
            "SELECT t.file, count(m.tx) FROM imported.matches AS m "
            "JOIN imported.trades AS t ON t.trade = m.trade GROUP BY t.file"
        )
        counts = {int(file): int(count) for file, count in rows}
        for report in self.reports:
            if report.file is not None:
                report.duplicates = counts.get(report.file, 0)

    def _import(self, path: Path, report: FileReport, parse: JsonLines) -> None:
        self._progress({"stage": "import", "message": f"looking at {path.name}"})
        opened = open_file(path, parse)
        before = _stamp(path)
        digest = file_digest(path)
        known = known_file(self._database.connection, digest)
        if known is not None:
            name, when = known
            report.state = "already_imported"
            report.message = f"the same content was imported as {name} on {when:%Y-%m-%d %H:%M} UTC; nothing changed"
            return
        samples = opened.samples if opened.samples is not None else opened.schema.empty_table()
        names = opened.schema.names
        report.columns = trade_columns(opened.name, samples, names, self._mapping)
        report.unused = [name for name in names if name not in set(report.columns.values())]
        facts = FileFacts(
            opened.name, digest, report.columns, relative_error(report.columns, opened.schema), self._run_id
        )
        rejects = RejectsFile(self._workspace / REJECTS_FOLDER, opened.name, digest)
        try:
            with self._database.transaction() as connection:
                writer = TradeWriter(connection, facts)
                self._copy(opened, report, writer, rejects, parse)
                _require_unchanged(path, before)
                report.repeats = writer.finish()
                report.rejects = rejects.keep()
            report.state, report.file = "imported", writer.file
        except UnreadableFileError:
            report.imported = report.repeats = 0
            raise
        finally:
            rejects.discard()

    def _copy(
        self, opened: OpenedFile, report: FileReport, writer: TradeWriter, rejects: RejectsFile, parse: JsonLines
    ) -> None:
        began = time.monotonic()
        columns = sorted(set(report.columns.values()), key=opened.schema.names.index)
        for rows in batches(opened, columns, parse, repeating=repeating(report.columns)):
            batch = read_trades(rows, report.columns)
            writer.write(batch)
            self._note(report, batch, rejects)
            self._progress(_event(opened, report.rows, rows.position, time.monotonic() - began))
        if not report.rows:
            raise UnreadableFileError(f"{opened.path} has no rows", "Look at what wrote it")
        if not report.imported:
            kept = rejects.keep()
            report.rejects = kept
            raise UnreadableFileError(
                f"None of the {report.rows:,} rows of {opened.path} can be read; the first: {report.reasons[0]}",
                f"All of them are in {kept}. Say which column is which with --map",
            )

    def _note(self, report: FileReport, batch: TradeBatch, rejects: RejectsFile) -> None:
        rejects.add(batch.rejects)
        report.imported += len(batch)
        report.rejected += len(batch.rejects)
        report.rows = report.imported + report.rejected
        for reject in batch.rejects[: _SAMPLE_ROWS - len(report.reasons)]:
            report.reasons.append(f"row {reject.row_number}: {reject.reason}")


class RejectsFile:
    """Rows that were not imported, as JSON lines. Appears under its name only when it is kept, and only if any."""

    def __init__(self, folder: Path, name: str, digest: bytes) -> None:
        self._folder = folder
        self._final = folder / f"{name}.jsonl"
        self._digest = digest.hex()
        self._partial = folder / f".{name}.{os.getpid()}.part"
        self._rows = 0

    def add(self, rejects: Sequence[Reject]) -> None:
        """Write more rows."""
        if not rejects:
            return
        with plain_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            with self._partial.open("a" if self._rows else "w", encoding="utf-8") as file:
                for reject in rejects:
                    line = {"row": reject.row_number, "reason": reject.reason, "values": dict(reject.values)}
                    file.write(json.dumps({**line, "file_sha256": self._digest}, ensure_ascii=False) + "\n")
        self._rows += len(rejects)

    def keep(self) -> Path | None:
        """Give the file its name; None when there is nothing in it."""
        if not self._rows:
            return None
        with plain_errors(self._folder):
            if self._final.exists() and not self._is_of_same_file():
                self._final = self._final.with_name(f"{self._final.stem}-{self._digest[:8]}.jsonl")
            self._partial.replace(self._final)
        return self._final

    def discard(self) -> None:
        """Remove what was not kept."""
        self._partial.unlink(missing_ok=True)

    def _is_of_same_file(self) -> bool:
        with self._final.open(encoding="utf-8") as file:
            return self._digest in file.readline()


def import_document(reports: Sequence[FileReport], kind: str, seconds: float) -> Document:
    """The polyledger.import/1 document."""
    return {
        "schema": "polyledger.import/1",
        "as": kind,
        "state": "done" if all(report.state != "failed" for report in reports) else "partial",
        "files": [_file_document(report) for report in reports],
        "rows": {
            name: sum(getattr(report, name) for report in reports)
            for name in ("rows", "imported", "rejected", "repeats", "duplicates")
        },
        "seconds": round(seconds, 3),
    }


def _file_document(report: FileReport) -> Document:
    return {
        "path": str(report.path),
        "state": report.state,
        "message": report.message,
        "rows": report.rows,
        "imported": report.imported,
        "rejected": report.rejected,
        "repeats": report.repeats,
        "duplicates": report.duplicates,
        "columns": report.columns,
        "unused": report.unused,
        "rejects": None if report.rejects is None else str(report.rejects),
        "reasons": report.reasons,
        "seconds": round(report.seconds, 3),
    }


def _require_mapped(paths: Sequence[Path], mapping: Mapping[str, str], parse: JsonLines) -> None:
    """UsageError when a mapped column is in none of the files that can be read: a slip of the pen."""
    if not mapping:
        return
    seen: set[str] = set()
    for path in paths:
        with suppress(UnreadableFileError):
            seen |= set(open_file(path, parse).schema.names)
    missing = [theirs for theirs in mapping if theirs not in seen]
    if missing and seen:
        raise UsageError(
            f"--map names {', '.join(map(repr, missing))}, and no file has such a column",
            f"The files have {', '.join(map(repr, sorted(seen)))}",
        )


def _stamp(path: Path) -> tuple[int, int]:
    facts = path.stat()
    return facts.st_size, facts.st_mtime_ns


def _require_unchanged(path: Path, before: tuple[int, int]) -> None:
    if _stamp(path) != before:
        raise UnreadableFileError(f"{path} was changed while it was read", "Import it when it is complete")


def _event(opened: OpenedFile, rows: int, position: int, seconds: float) -> Document:
    rate = rows / max(seconds, 1e-6)
    share = min(position / opened.size, 1.0)
    total = opened.rows if opened.rows is not None else None
    left = seconds / share - seconds if share > 0 else None
    return {
        "stage": "import", "done": rows, "total": total, "unit": "rows", "rate": rate, "eta_seconds": left,
        "message": f"{opened.name}, {share:.0%} read",
    }  # fmt: skip
