"""One run of `sync`: the work, what came of it, and its record in meta.runs."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio

from polyledger.config import Settings
from polyledger.domain.categories import CategoryTable
from polyledger.domain.errors import PolyledgerError
from polyledger.domain.scope import Scope
from polyledger.ledger.import_matches import match_imports
from polyledger.store.attribution import attribute
from polyledger.store.database import Database
from polyledger.store.market_claims import use_categories
from polyledger.sync.chain_batches import finalized_border
from polyledger.sync.chain_stage import ChainOutcome
from polyledger.sync.compaction import fold_holdings
from polyledger.sync.stages import Only
from polyledger.sync.work import Work

Progress = Callable[[dict[str, Any]], None]


@dataclass
class RunReport:
    """What a run did; complete also when it was stopped."""

    run_id: str
    state: str = "running"
    started: float = field(default_factory=time.time)
    chain: ChainOutcome = field(default_factory=ChainOutcome)
    requests: dict[str, int] = field(default_factory=dict)
    message: str | None = None
    is_late: bool = False  # the time given ran out


class Run:
    """Everything one call of sync needs. `execute` returns the report; it is also kept in meta.runs."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        workspace: Path,
        *,
        categories: CategoryTable,
        progress: Progress,
        budget: float | None = None,
        only: Sequence[str] = (),
        scope: Scope | None = None,
    ) -> None:
        self.report = RunReport(run_id=f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}")
        self._database = database
        self._categories = categories
        self._work = Work(
            database,
            settings,
            workspace,
            self.report.run_id,
            progress=progress,
            only=Only.of(only),
            scope=scope or Scope(),
            deadline=None if budget is None else time.monotonic() + budget,
        )

    def execute(self) -> RunReport:
        """Do the work.

        Raises:
            PolyledgerError: the chain stage failed; what was committed before stays, and the run is recorded.
            KeyboardInterrupt: the same.
        """
        work = self._work
        if self._close_stale_runs():
            work.unsettle()
        self._record_start()
        try:
            with self._database.transaction() as connection:
                use_categories(connection, self._categories)
            anyio.run(work.run)
            self._judge(work)
            match_imports(self._database)
            if not work.is_late:
                fold_holdings(self._database, finalized_border(self._database))
            with self._database.transaction() as connection:
                attribute(connection)
        except KeyboardInterrupt:
            self.report.state = "interrupted"
            raise
        except PolyledgerError as error:
            self.report.state = "partial"
            self.report.message = error.what
            raise
        except BaseException:
            self.report.state = "partial"
            raise
        finally:
            self.report.requests = work.requests
            self.report.chain = work.chain
            with contextlib.suppress(PolyledgerError):  # a full disk must not hide the error that is on its way
                work.records.save(self._database)
                self._record_end()
        return self.report

    def _judge(self, work: Work) -> None:
        """What the run came to: done, unless time ran out or a source failed that alone could have told something.

        Raises:
            UpstreamUnavailableError, SourceError: the chain cannot be read, and nothing else was there to be done.
        """
        answered = any(tally.done for tally in work.tallies.values())
        if work.chain_error is not None and not answered:
            raise work.chain_error
        errors = [tally.error for tally in work.tallies.values() if tally.error is not None and tally.missed]
        errors += [*([] if work.chain_error is None else [work.chain_error]), *work.lists.outcome.errors]
        is_late = work.is_late or work.lists.outcome.late or not work.chain.finished
        self.report.is_late = is_late
        self.report.state = "partial" if is_late or errors else "done"
        self.report.message = "; ".join(error.what for error in errors) or None

    def _close_stale_runs(self) -> bool:
        """A run that is still marked running cannot be: this process holds the lock. It was killed. True if any."""
        with self._database.transaction() as connection:
            killed = connection.execute("SELECT 1 FROM meta.runs WHERE state = 'running' LIMIT 1").fetchall()
            connection.execute("UPDATE meta.runs SET state = 'interrupted' WHERE state = 'running'")
        return bool(killed)

    def _record_start(self) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO meta.runs VALUES (?, ?, NULL, 'running', ?, NULL, NULL, '{}', NULL)",
                [self.report.run_id, _moment(self.report.started), os.getpid()],
            )

    def _record_end(self) -> None:
        report = self.report
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE meta.runs SET finished_at = ?, state = ?, from_block = ?, to_block = ?, requests = ?, "
                "message = ? WHERE run_id = ?",
                [
                    _moment(time.time()), report.state, report.chain.from_block, report.chain.to_block,
                    json.dumps(report.requests), report.message, report.run_id,
                ],
            )  # fmt: skip


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


def report_document(report: RunReport, rows: Mapping[str, int], coverage: Mapping[str, Any]) -> dict[str, Any]:
    """The polyledger.sync/1 document."""
    return {
        "schema": "polyledger.sync/1",
        "run_id": report.run_id,
        "state": report.state,
        "from_block": report.chain.from_block,
        "to_block": report.chain.to_block,
        "requests": dict(report.requests),
        "rows": dict(rows),
        "coverage": dict(coverage),
        "seconds": round(time.time() - report.started, 3),
        "logs": report.chain.logs,
        "unbalanced": report.chain.unbalanced,
        "rolled_back": report.chain.rolled_back,
        "message": report.message,
    }
