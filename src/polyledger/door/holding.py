"""Holding a workspace to write: the lock, the open ledger, the door for others, the log, the status of the run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from polyledger.config import Settings
from polyledger.domain.errors import WorkspaceLockedError
from polyledger.domain.version import __version__
from polyledger.door.log import RunLog
from polyledger.door.reporter import Reporter
from polyledger.door.server import OpenDoor
from polyledger.store.database import Database
from polyledger.sync.lock import WorkspaceLock
from polyledger.sync.run_state import RunState
from polyledger.sync.status import running_document

Progress = Callable[[dict[str, Any]], None]

_SECONDS_BETWEEN_NOTES: Final = 0.5
_SECONDS_FOR_READERS: Final = 3.0


@dataclass(frozen=True)
class Holding:
    """What a command that writes works with. Progress goes to ``progress``: to the caller, the door, lock and log."""

    database: Database
    state: RunState
    progress: Progress
    log: RunLog


@contextmanager
def holding(
    workspace: Path, settings: Settings, doing: str, open_ledger: Callable[[], Database], progress: Progress | None
) -> Iterator[Holding]:
    """Hold the workspace inside the block, and answer other processes meanwhile.

    Args:
        workspace: the folder.
        settings: those it is kept with.
        doing: the command, ``sync`` or ``import``.
        open_ledger: opens the ledger for writing.
        progress: is told of every event.

    Raises:
        WorkspaceLockedError: another process holds it.
    """
    with ExitStack() as stack:
        lock = stack.enter_context(WorkspaceLock(workspace, doing))
        state = RunState(doing)
        log = RunLog(workspace, pid=os.getpid(), doing=doing)
        stack.callback(log.close)
        database = _opened(open_ledger)
        stack.callback(database.close)

        def status() -> dict[str, Any]:
            return running_document(workspace, state)

        reporter = Reporter(database, workspace, state, status)
        stack.callback(reporter.write)
        door = OpenDoor(
            database, settings, workspace, status=status, note=lambda said: log.error("answer failed", message=said)
        )
        try:
            door.start()
        except OSError as error:  # the file system of the workspace has no sockets: the run does without
            log.warning("no door", message=str(error))
        stack.callback(door.close)
        reporter.start()
        stack.callback(reporter.close)
        stack.enter_context(log.retries())
        log.info("run started", version=__version__, workspace=str(workspace.absolute()))
        try:
            yield Holding(database, state, _told(state, log, lock, progress), log)
        except KeyboardInterrupt:
            state.finish("interrupted")
            raise
        except BaseException as error:
            state.finish("partial")
            log.failed("run failed", error)
            raise
        finally:
            if state.state == "running":
                state.finish("done")
            log.info("run ended", run_id=state.run_id, state=state.state, seconds=round(time.time() - state.started, 3))


def _opened(open_ledger: Callable[[], Database]) -> Database:
    """The ledger, once those who began to read it before it was ours have ended; most take a moment."""
    patience = time.monotonic() + _SECONDS_FOR_READERS
    while True:
        try:
            return open_ledger()
        except WorkspaceLockedError:
            if time.monotonic() > patience:
                raise
            time.sleep(0.05)


def _told(state: RunState, log: RunLog, lock: WorkspaceLock, progress: Progress | None) -> Progress:
    """Passes progress on to everybody who is told; into the lock now and then, for who finds no door."""
    last = 0.0

    def report(event: dict[str, Any]) -> None:
        nonlocal last
        state.update(event)
        log.progress(event)
        now = time.monotonic()
        if now - last >= _SECONDS_BETWEEN_NOTES:
            lock.note(event)
            last = now
        if progress is not None:
            progress(state.with_speed(event))

    return report
