"""Importing raw logs: the same selection, decoding, checks and commits as a scan, with files in place of a node."""

from __future__ import annotations

import secrets
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from polyledger.config import Settings
from polyledger.ctf.contracts import ContractSet, Role
from polyledger.ctf.logs import LogColumns
from polyledger.domain.errors import UnreadableFileError, UsageError
from polyledger.domain.intervals import Interval, difference
from polyledger.ledger.import_matches import match_imports
from polyledger.sources.chain import ScannedRange
from polyledger.sources.chain_integrity import accounts_named, merged
from polyledger.sources.chain_wire import ACCESS_TOPICS, AMM_TOPICS, TRANSFER_TOPIC, Header, padded_address
from polyledger.sources.files.logs import is_of_blocks, log_columns, read_headers, read_logs
from polyledger.sources.files.opening import OpenedFile, batches, open_file
from polyledger.sources.files.values import fixed
from polyledger.store import intervals
from polyledger.store.attribution import attribute
from polyledger.store.database import Database
from polyledger.store.evidence import EVIDENCE_FOLDER
from polyledger.store.json_lines import JsonLines
from polyledger.sync.chain_batches import BatchWriter, Committed, UnbalancedError, finalized_border
from polyledger.sync.compaction import fold_holdings
from polyledger.sync.file_imports import FileReport, Progress, import_document, require_mapped
from polyledger.sync.receipts import doubtful_transactions, joined, of_transactions
from polyledger.sync.scope import claim_scope, contracts_of

LOGS: Final = "logs"
_LOGS_PER_COMMIT: Final = 400_000
_PLACES: Final = 1 << 32


def log_import(
    database: Database, settings: Settings, workspace: Path, *, mapping: Mapping[str, str], progress: Progress
) -> LogImport:
    """An import into the ledger of a workspace, with its contracts and its way of taking transfers."""
    contracts = contracts_of(settings)
    scope = claim_scope(database, settings, contracts)
    run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    writer = BatchWriter(database, contracts, scope, run_id, evidence_folder=workspace / EVIDENCE_FOLDER)
    every = settings.chain.collateral_transfers == "all"
    return LogImport(database, contracts, writer, scope=scope, every_transfer=every, mapping=mapping, progress=progress)


def after_logs(database: Database) -> None:
    """What follows from more of the chain: matches of imported rows, sums, attribution."""
    match_imports(database)
    fold_holdings(database, finalized_border(database))
    with database.transaction() as connection:
        attribute(connection)


def logs_document(work: LogImport, reports: Sequence[FileReport], seconds: float) -> dict[str, Any]:
    """The polyledger.import/1 document of an import of logs."""
    outcome = work.outcome
    return import_document(reports, LOGS, seconds) | {
        "from_block": outcome.from_block,
        "to_block": outcome.to_block,
        "logs": outcome.logs,
        "fills": outcome.fills,
        "unbalanced": outcome.unbalanced,
        "taken_back": [[part.first, part.last] for part in outcome.taken_back],
    }


@dataclass(slots=True)
class _Input:
    """A file of logs with the place of its first log."""

    opened: OpenedFile
    columns: dict[str, str]
    report: FileReport
    first_block: int


@dataclass
class LogImportOutcome:
    """What the import brought; `taken_back` is what must be fetched again because of what came in below it."""

    from_block: int = 0
    to_block: int = 0
    logs: int = 0
    fills: int = 0
    unbalanced: int = 0
    taken_back: list[Interval] = field(default_factory=list)


class LogImport:
    """Takes in files of logs as a scan of the blocks `span`. The files follow one another by block number."""

    def __init__(
        self,
        database: Database,
        contracts: ContractSet,
        writer: BatchWriter,
        *,
        scope: str,
        every_transfer: bool,
        mapping: Mapping[str, str],
        progress: Progress,
    ) -> None:
        self._database = database
        self._contracts = contracts
        self._writer = writer
        self.run_id = writer.run_id
        self._scope = scope
        self._everything = every_transfer or not contracts.transfer_collaterals
        self._mapping = mapping
        self._progress = progress
        self._headers: dict[int, Header] = {}
        self._began = time.monotonic()
        self.reports: list[FileReport] = []
        self.outcome = LogImportOutcome()

    def run(self, paths: Sequence[Path], from_block: int | None, to_block: int | None) -> list[FileReport]:
        """Import the files.

        Args:
            paths: files of logs, and of block headers if there are any.
            from_block, to_block: the blocks that the files hold completely; else from the first to the last block
                with a log.

        Raises:
            UnreadableFileError: a file cannot be read, or is not sorted; whole ranges before that place stay.
            UsageError: blocks that no log file can reach were asked for.
        """
        threads = self._database.query("SELECT current_setting('threads')")[0][0]
        with JsonLines(int(threads)) as parse:
            require_mapped(paths, self._mapping, parse)
            inputs = self._inputs(paths, parse)
            if not inputs:
                raise UnreadableFileError("No file holds logs", "Give files with address, topics and data")
            first = inputs[0].first_block if from_block is None else from_block
            if to_block is not None and to_block < first:
                raise UsageError(f"There is no block from {first:,} to {to_block:,}", "Correct --from and --to")
            self._take_in(inputs, parse, first, to_block)
        for report in self.reports:
            report.state = "imported" if self.outcome.logs else "already_imported"
            if not self.outcome.logs:
                report.message = "all blocks of the files were scanned or imported before; nothing changed"
        return self.reports

    def _inputs(self, paths: Sequence[Path], parse: JsonLines) -> list[_Input]:
        inputs = []
        for path in paths:
            report = FileReport(path)
            self.reports.append(report)
            opened = open_file(path, parse)
            columns = report.columns = log_columns(opened.name, opened.schema.names, self._mapping)
            report.unused = [name for name in opened.schema.names if name not in set(columns.values())]
            if is_of_blocks(columns):
                for rows in batches(opened, list(columns.values()), parse):
                    self._headers |= read_headers(rows, columns)
                    report.rows += rows.table.num_rows
                report.imported = report.rows
                continue
            rows = next(iter(batches(opened, list(columns.values()), parse)))
            logs = read_logs(rows, columns)
            inputs.append(_Input(opened, columns, report, int(logs.block.min())))
        return sorted(inputs, key=lambda one: one.first_block)

    def _take_in(self, inputs: Sequence[_Input], parse: JsonLines, first: int, last: int | None) -> None:
        self.outcome.from_block = start = first
        waiting: list[LogColumns] = []
        seen = first
        with closing(self._batches(inputs, parse)) as stream:
            for logs in stream:
                inside = logs.take((logs.block >= first) & (logs.block <= (_PLACES if last is None else last)))
                if not len(inside):
                    continue
                if int(inside.block.min()) < start:
                    raise UnreadableFileError(
                        f"Block {int(inside.block.min()):,} comes after block {start - 1:,}, which is stored already",
                        "Sort the logs by block number, within and across the files",
                    )
                waiting.append(inside)
                seen = max(seen, int(inside.block.max()))
                if sum(map(len, waiting)) >= _LOGS_PER_COMMIT:
                    # The last block may go on in the next batch.
                    held = merged(waiting)
                    self._commit(held.take(held.block < seen), start, seen - 1)
                    waiting, start = [held.take(held.block >= seen)], seen
        end = seen if last is None else last
        self.outcome.to_block = end
        self._commit(merged(waiting) if waiting else LogColumns.empty(), start, end)

    def _batches(self, inputs: Sequence[_Input], parse: JsonLines) -> Generator[LogColumns, None, None]:
        """The logs that can matter, batch by batch."""
        for one in inputs:
            wanted = list(one.columns.values())
            for rows in batches(one.opened, wanted, parse):
                logs = read_logs(rows, one.columns)
                relevant = logs.take(self._of_interest(logs))
                one.report.rows += len(logs)
                one.report.imported += len(relevant)
                rate = one.report.rows / max(time.monotonic() - self._began, 1e-6)
                event = {"done": one.report.rows, "total": one.opened.rows, "unit": "logs", "rate": rate}
                self._progress({"stage": "import", "message": one.opened.name, **event})
                yield relevant

    def _of_interest(self, logs: LogColumns) -> NDArray[np.bool_]:
        """Logs of our contracts and of collateral, and of AMM pools, whoever they are."""
        addresses = [*self._contracts.log_addresses, *self._contracts.transfer_collaterals]
        chosen = _among(logs.address, addresses, 20)
        if self._contracts.with_role(Role.FPMM_FACTORY):
            chosen |= _among(logs.topics[:, 0], AMM_TOPICS, 32)
        return chosen

    def _commit(self, logs: LogColumns, start: int, end: int) -> None:
        """One range, as far as it is not done yet."""
        with self._database.write_lock:
            done = intervals.done(self._database.connection, self._scope)
        for part in difference([(start, end)], done):
            self._commit_part(logs.take((logs.block >= part.first) & (logs.block <= part.last)), part)

    def _commit_part(self, raw: LogColumns, part: Interval) -> None:
        logs = raw.take(self._selected(raw))
        whole = joined(logs, of_transactions(raw, doubtful_transactions(logs, self._contracts)), self._contracts)
        scanned = self._range(whole, part)
        if scanned is None:
            return
        try:
            committed = self._writer.commit(scanned, finalized=part.last, final=False)
        except UnbalancedError as error:
            more = joined(scanned.logs, of_transactions(raw, error.transactions), self._contracts)
            committed = self._writer.commit(replace(scanned, logs=more), finalized=part.last, final=True)
        self._note(committed)

    def _note(self, committed: Committed) -> None:
        self.outcome.logs += committed.logs
        self.outcome.fills += committed.fills
        self.outcome.unbalanced += committed.unbalanced
        if committed.taken_back_to is not None:
            self.outcome.taken_back.append(Interval(committed.to_block + 1, committed.taken_back_to))

    def _selected(self, logs: LogColumns) -> NDArray[np.bool_]:
        """What a scan would have asked for: of collateral, only transfers that touch the protocol or its operators."""
        collateral = _among(logs.address, self._contracts.transfer_collaterals, 20)
        always = _among(logs.address, self._contracts.log_addresses, 20)
        if self._contracts.with_role(Role.FPMM_FACTORY):
            always |= _among(logs.topics[:, 0], AMM_TOPICS, 32)
        transfers = collateral & _among(logs.topics[:, 0], [TRANSFER_TOPIC], 32)
        if self._everything:
            return always | transfers
        touching = _touching(logs, [padded_address(one) for one in self._contracts.collateral_holders])
        since = accounts_named(logs, ACCESS_TOPICS) | self._writer.operators_since()
        for account, block in since.items():
            touching |= _touching(logs, [padded_address(account)]) & (logs.block >= block)
        return always | (transfers & touching)

    def _range(self, logs: LogColumns, part: Interval) -> ScannedRange | None:
        """The logs as a scanned range. Its border blocks are those of the files next to the border, where no header
        of the border itself is known. None when nothing at all is known of it.

        Raises:
            UnreadableFileError: blocks have no timestamp, in the logs or in a file of headers.
        """
        lacking = np.unique(logs.block[logs.timestamp < 0]).tolist()
        unknown = [block for block in lacking if block not in self._headers]
        if unknown:
            raise UnreadableFileError(
                f"Block {unknown[0]:,} has no timestamp in the files",
                "Give a file of blocks too (number, hash, parent_hash, timestamp), or logs with block_timestamp",
            )
        stamps = {block: self._headers[block].timestamp for block in lacking}
        if lacking:
            filled = logs.timestamp.copy()
            places = np.flatnonzero(filled < 0)
            filled[places] = [stamps[block] for block in logs.block[places].tolist()]
            logs = replace(logs, timestamp=filled)
        borders = [self._header(logs, part.first, 0), self._header(logs, part.last, -1)]
        known = [border for border in borders if border is not None]
        if not known:
            return None
        return ScannedRange(part.first, part.last, logs, known[0], known[-1], timestamps=stamps)

    def _header(self, logs: LogColumns, block: int, place: int) -> Header | None:
        if block in self._headers:
            return self._headers[block]
        if not len(logs):
            return None
        return Header(
            int(logs.block[place]), logs.block_hash[place].tobytes(), b"", int(logs.timestamp[place]), logs_bloom=None
        )


def _touching(logs: LogColumns, padded: Sequence[bytes]) -> NDArray[np.bool_]:
    """Logs whose first or second indexed argument is one of these."""
    return _among(logs.topics[:, 1], padded, 32) | _among(logs.topics[:, 2], padded, 32)


def _among(rows: NDArray[np.uint8], wanted: Sequence[bytes], width: int) -> NDArray[np.bool_]:
    if not len(rows) or not wanted:
        return np.zeros(len(rows), np.bool_)
    found = pc.is_in(fixed(rows, width), value_set=pa.array(list(wanted), pa.binary(width)))
    return np.array(found.to_numpy(zero_copy_only=False), np.bool_)
