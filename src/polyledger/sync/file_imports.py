"""Importing files: one after the other, each whole or not at all; a file that fails does not stop the others."""

from __future__ import annotations

import json
import os
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Final

import duckdb
import pyarrow as pa

from polyledger.ctf.contracts import ContractSet
from polyledger.domain.errors import PolyledgerError, StorageFullError, UnreadableFileError, UsageError
from polyledger.ledger.import_matches import match_imports
from polyledger.ledger.imports import FileFacts, TradeWriter, known_file
from polyledger.sources.files.columns import RAW_AMOUNTS, TRADE_NAMES, check_mapping, trade_columns
from polyledger.sources.files.opening import OpenedFile, batches, file_digest, open_file
from polyledger.sources.files.trades import Reject, read_trades, relative_error, repeating
from polyledger.store import evidence as evidence_store
from polyledger.store.attribution import attribute
from polyledger.store.database import Database, plain_errors
from polyledger.store.evidence import EVIDENCE_FOLDER
from polyledger.store.json_lines import JsonLines
from polyledger.sync.claim_writer import ClaimCounts, ClaimWriter
from polyledger.sync.stated_tokens import prove_stated_tokens

REJECTS_FOLDER: Final = "rejects"
TRADES: Final = "trades"
_SAMPLE_ROWS: Final = 5
_OK: Final = 200

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
    claims: dict[str, int] = field(default_factory=dict)
    patterns: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def note(self, imported: int, rejects: Sequence[Reject]) -> None:
        """Count the rows of one batch."""
        self.imported += imported
        self.rejected += len(rejects)
        self.rows = self.imported + self.rejected
        for reject in rejects[: _SAMPLE_ROWS - len(self.reasons)]:
            self.reasons.append(f"row {reject.row_number}: {reject.reason}")

    def note_claims(self, counts: ClaimCounts | None) -> None:
        """Take in what came of the file's claims."""
        if counts is None:
            return
        self.claims = {
            "written": counts.claims,
            "proven": counts.proven,
            "refuted": counts.refuted,
            "quarantined": counts.quarantined,
        }
        self.patterns = list(counts.patterns)


class OpenedBatch:
    """A file under way: what it is, its digest, when the copying began, where its rejects go."""

    def __init__(self, file: OpenedFile, digest: bytes, rejects: RejectsFile, stamp: tuple[int, int]) -> None:
        self.file = file
        self.digest = digest
        self.rejects = rejects
        self.began = time.monotonic()
        self._stamp = stamp

    def require_unchanged(self) -> None:
        """Raises UnreadableFileError when the file is another than when it was opened."""
        if _stamp(self.file.path) != self._stamp:
            raise UnreadableFileError(
                f"{self.file.path} was changed while it was read", "Import it when it is complete"
            )


class FileImport(ABC):
    """The import of files into an open ledger that this process may write: what all kinds of files have in common."""

    names: ClassVar[Mapping[str, Sequence[str]]]
    more_names: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        database: Database,
        workspace: Path,
        *,
        mapping: Mapping[str, str],
        progress: Progress,
        contracts: ContractSet,
    ) -> None:
        self._database = database
        self._workspace = workspace
        self._mapping = mapping
        self._contracts = contracts
        self._progress = progress
        self.run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        self.reports: list[FileReport] = []

    @abstractmethod
    def known(self, digest: bytes) -> tuple[str, Any] | None:
        """Name and time of the import of the same content, if there was one."""

    @abstractmethod
    def columns_of(self, name: str, samples: pa.Table, columns: Sequence[str]) -> dict[str, str]:
        """Ours → theirs. Raises UnreadableFileError."""

    @abstractmethod
    def store(self, opened: OpenedBatch, report: FileReport, parse: JsonLines) -> None:
        """Take in one file, whole or not at all."""

    def finish(self) -> None:
        """What is to be done when all files are in."""
        return

    def run(self, paths: Sequence[Path]) -> list[FileReport]:
        """Import the files in order.

        Raises:
            UsageError: the mapping is wrong in itself, or names no column of any file.
            StorageFullError: the disk is full; files before this one are imported.
        """
        threads = self._database.query("SELECT current_setting('threads')")[0][0]
        with JsonLines(int(threads)) as parse:
            check_mapping(self.names, self._mapping, self.more_names)
            require_mapped(paths, self._mapping, parse)
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
        self.finish()
        with self._database.transaction() as connection:
            attribute(connection)
        return self.reports

    def _import(self, path: Path, report: FileReport, parse: JsonLines) -> None:
        self._progress({"stage": "import", "message": f"looking at {path.name}"})
        opened = open_file(path, parse)
        stamp = _stamp(path)
        digest = file_digest(path)
        known = self.known(digest)
        if known is not None:
            name, when = known
            report.state = "already_imported"
            report.message = f"the same content was imported as {name} on {when:%Y-%m-%d %H:%M} UTC; nothing changed"
            return
        samples = opened.samples if opened.samples is not None else opened.schema.empty_table()
        names = opened.schema.names
        report.columns = self.columns_of(opened.name, samples, names)
        report.unused = [name for name in names if name not in set(report.columns.values())]
        rejects = RejectsFile(self._workspace / REJECTS_FOLDER, opened.name, digest)
        try:
            self.store(OpenedBatch(opened, digest, rejects, stamp), report, parse)
            report.state = "imported"
        except UnreadableFileError:
            report.imported = report.repeats = 0
            raise
        finally:
            rejects.discard()

    def tell(self, opened: OpenedBatch, report: FileReport, position: int) -> None:
        """Say how far a file is."""
        self._progress(_event(opened.file, report.rows, position, time.monotonic() - opened.began))

    def _claims(self) -> ClaimWriter:
        return ClaimWriter(self._database, self._workspace / EVIDENCE_FOLDER, self.run_id, self._contracts)

    def _evidence(self, connection: duckdb.DuckDBPyConnection, opened: OpenedBatch, kind: str) -> int:
        """Note the file as evidence of claims; the file itself is not kept."""
        return evidence_store.record(
            connection, source=f"file:{opened.file.name}", url=f"{kind}{opened.file.path.name}", params=(), status=_OK,
            digest=opened.digest, received_at=time.time(), run_id=self.run_id,
        )  # fmt: skip

    def require_rows(self, opened: OpenedBatch, report: FileReport) -> None:
        """Raises UnreadableFileError when nothing of a file could be read; its rejects are kept."""
        path = opened.file.path
        if not report.rows:
            raise UnreadableFileError(f"{path} has no rows", "Look at what wrote it")
        if not report.imported:
            report.rejects = opened.rejects.keep()
            raise UnreadableFileError(
                f"None of the {report.rows:,} rows of {path} can be read; the first: {report.reasons[0]}",
                f"All of them are in {report.rejects}. Say which column is which with --map",
            )


class TradeImport(FileImport):
    """The import of files of trades."""

    names = TRADE_NAMES
    more_names = tuple(RAW_AMOUNTS)

    def known(self, digest: bytes) -> tuple[str, Any] | None:
        """Name and time of the import of the same content."""
        return known_file(self._database.connection, digest)

    def columns_of(self, name: str, samples: pa.Table, columns: Sequence[str]) -> dict[str, str]:
        """Ours → theirs."""
        return trade_columns(name, samples, columns, self._mapping)

    def store(self, opened: OpenedBatch, report: FileReport, parse: JsonLines) -> None:
        """All of a file in one transaction, batch by batch."""
        file = opened.file
        error = relative_error(report.columns, file.schema)
        facts = FileFacts(file.name, opened.digest, report.columns, error, self.run_id)
        columns = sorted(set(report.columns.values()), key=file.schema.names.index)
        with self._database.transaction() as connection:
            writer = TradeWriter(connection, facts)
            for rows in batches(file, columns, parse, repeating=repeating(report.columns)):
                batch = read_trades(rows, report.columns)
                writer.write(batch)
                opened.rejects.add(batch.rejects)
                report.note(len(batch), batch.rejects)
                self.tell(opened, report, rows.position)
            self.require_rows(opened, report)
            opened.require_unchanged()
            report.repeats = writer.finish()
            report.note_claims(
                prove_stated_tokens(
                    connection,
                    self._claims(),
                    f"file:{file.name}",
                    lambda: self._evidence(connection, opened, "trades:"),
                    writer.file,
                )
            )
            report.rejects = opened.rejects.keep()
        report.file = writer.file

    def finish(self) -> None:
        """Find the rows among the fills of the chain."""
        self._progress({"stage": "import", "message": "looking for the rows among the fills of the chain"})
        match_imports(self._database)
        rows = self._database.query(
            "SELECT t.file, count(m.tx) FROM imported.matches AS m "
            "JOIN imported.trades AS t ON t.trade = m.trade GROUP BY t.file"
        )
        counts = {int(file): int(count) for file, count in rows}
        for report in self.reports:
            if report.file is not None:
                report.duplicates = counts.get(report.file, 0)


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
        "claims": report.claims,
        "patterns": report.patterns,
        "seconds": round(report.seconds, 3),
    }


def require_mapped(paths: Sequence[Path], mapping: Mapping[str, str], parse: JsonLines) -> None:
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


def _event(opened: OpenedFile, rows: int, position: int, seconds: float) -> Document:
    rate = rows / max(seconds, 1e-6)
    share = min(position / opened.size, 1.0)
    total = opened.rows if opened.rows is not None else None
    left = seconds / share - seconds if share > 0 else None
    return {
        "stage": "import", "done": rows, "total": total, "unit": "rows", "rate": rate, "eta_seconds": left,
        "message": f"{opened.name}, {share:.0%} read",
    }  # fmt: skip
