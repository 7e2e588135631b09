"""One writer per workspace: an advisory file lock that says who holds it, doing what, and how far it is."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from polyledger.domain.errors import WorkspaceError, WorkspaceLockedError
from polyledger.store.database import plain_errors

LOCK_FILE: Final = "ledger.lock"
_TRIES: Final = 10
_SECONDS_BETWEEN_TRIES: Final = 0.02


class WorkspaceLock:
    """Held while a process writes. The kernel releases it when the process ends, however it ends."""

    def __init__(self, workspace: Path, doing: str) -> None:
        self._path = workspace / LOCK_FILE
        self._doing = doing
        self._started = time.time()
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        try:
            with plain_errors(self._path):
                descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise WorkspaceError(
                f"{self._path} cannot be written ({error.strerror})", "Check that you may write in this workspace"
            ) from error
        if not _locked(descriptor):
            os.close(descriptor)
            raise held_by(self._path.parent)
        self._descriptor = descriptor
        try:
            self.note({})
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release()

    def _release(self) -> None:
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def note(self, progress: Mapping[str, Any]) -> None:
        """Write down how far the work is, for whoever finds the lock taken. Raises StorageFullError."""
        if self._descriptor is None:
            return
        state = {"pid": os.getpid(), "doing": self._doing, "started": self._started, "progress": dict(progress)}
        text = json.dumps(state).encode()
        with plain_errors(self._path):
            os.pwrite(self._descriptor, text, 0)
            os.ftruncate(self._descriptor, len(text))


def _locked(descriptor: int) -> bool:
    # Whoever only looks holds the lock for a moment (see `holder`): a writer tries a few times.
    for _ in range(_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(_SECONDS_BETWEEN_TRIES)
        else:
            return True
    return False


def holder(workspace: Path) -> dict[str, Any] | None:
    """What the process that holds the workspace wrote last; None when nobody holds it."""
    path = workspace / LOCK_FILE
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _state(descriptor)
    else:
        return None
    finally:
        os.close(descriptor)


def _state(descriptor: int) -> dict[str, Any]:
    try:
        state = json.loads(os.pread(descriptor, 65536, 0) or b"{}")
    except ValueError:  # read in the middle of a write
        return {}
    return state if isinstance(state, dict) else {}


def held_by(workspace: Path) -> WorkspaceLockedError:
    """The error that says who holds the workspace, doing what, and how far it is."""
    state = holder(workspace) or {}
    progress = state.get("progress", {})
    done, total, unit = progress.get("done"), progress.get("total"), progress.get("unit", "")
    far = f", at {done:,} of {total:,} {unit}".rstrip() if done is not None and total else ""
    stage = f" ({progress['stage']}{far})" if progress.get("stage") else ""
    return WorkspaceLockedError(
        f"The ledger in {workspace} is held by process {state.get('pid', '?')}: "
        f"{state.get('doing', 'a writer')}{stage}",
        "Wait until it ends, or stop it with Ctrl-C or 'kill' (that is safe); then run the same command again",
    )
