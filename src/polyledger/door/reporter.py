"""Keeping the status of a run current: coverage measured beside the work, and status.json in the workspace."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import duckdb

from polyledger.domain.errors import PolyledgerError
from polyledger.store.database import Database
from polyledger.sync.run_state import RunState
from polyledger.value.coverage import coverage

STATUS_FILE: Final = "status.json"
_SECONDS_BETWEEN_FILES: Final = 2.0
_SECONDS_BETWEEN_COVERAGES: Final = 5.0
# A run that is over sooner tells its coverage itself.
_SECONDS_BEFORE_COVERAGE: Final = 1.5
# Measuring coverage may take this share of the time: on a large ledger it is measured seldom.
_SHARE_FOR_COVERAGE: Final = 0.03

Document = dict[str, Any]


class Reporter:
    """A thread that measures and writes while a run works.

    Args:
        database: the ledger that is being written.
        workspace: where status.json goes.
        state: takes in the coverage.
        status: gives the document to write.
    """

    def __init__(self, database: Database, workspace: Path, state: RunState, status: Callable[[], Document]) -> None:
        self._database = database
        self._workspace = workspace
        self._state = state
        self._status = status
        self._stop = threading.Event()
        self._guard = threading.Lock()
        self._measuring: duckdb.DuckDBPyConnection | None = None
        self._thread = threading.Thread(target=self._work, name="reporter", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End; a measurement under way is given up. Then `write` writes the last status."""
        self._stop.set()
        while self._thread.is_alive():
            with self._guard:
                if self._measuring is not None:
                    self._measuring.interrupt()
            self._thread.join(0.05)

    def write(self) -> None:
        """Write status.json, whole or not at all."""
        partial = self._workspace / f".{STATUS_FILE}.part"
        # A full disk ends the run with its own error; a status that is a little old is no second one.
        with contextlib.suppress(OSError):
            partial.write_text(json.dumps(self._status(), ensure_ascii=False) + "\n", encoding="utf-8")
            partial.replace(self._workspace / STATUS_FILE)

    def _work(self) -> None:
        next_coverage = time.monotonic() + _SECONDS_BEFORE_COVERAGE
        while not self._stop.is_set():
            began = time.monotonic()
            if began >= next_coverage:
                self._measure()
                took = time.monotonic() - began
                next_coverage = time.monotonic() + max(_SECONDS_BETWEEN_COVERAGES, took / _SHARE_FOR_COVERAGE)
            self.write()
            self._stop.wait(_SECONDS_BETWEEN_FILES)

    def _measure(self) -> None:
        # Given up at the end of the run, and when memory is short; the next one tells.
        with contextlib.suppress(duckdb.Error, PolyledgerError), self._database.snapshot() as snapshot:
            try:
                with self._guard:
                    self._measuring = snapshot.connection
                self._state.covered(coverage(snapshot))
            finally:
                with self._guard:
                    self._measuring = None
