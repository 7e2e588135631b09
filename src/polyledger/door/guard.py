"""Watching what is being answered: an answer that takes too long or too much is stopped, the run never is."""

from __future__ import annotations

import contextlib
import resource
import select
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import duckdb

from polyledger.domain.errors import PolyledgerError, WorkspaceLockedError
from polyledger.store.database import Database

_SECONDS_BETWEEN_LOOKS: Final = 0.1
_LEAST_MEMORY: Final = 256 << 20
_LATER: Final = "Narrow it, or ask again when the run has ended"


class LeavingError(Exception):
    """The run ends in the middle of an answer, or the client has gone: there is nobody to answer any more."""


@dataclass(eq=False)
class Work:
    """One answer under way. `stopped` says why it was interrupted."""

    connection: duckdb.DuckDBPyConnection
    client: socket.socket
    until: float
    allowed: int  # bytes by which the process may grow
    held_before: int
    stopped: str | None = None
    gone: bool = False

    def error(self) -> WorkspaceLockedError:
        """The error for an answer that was stopped."""
        return WorkspaceLockedError(self.stopped or "The answer was interrupted", _LATER)


@dataclass
class Guard:
    """Looks after every answer, ten times a second, from a thread of its own.

    Args:
        database: the ledger.
        memory_limit: in bytes; the run and all answers share it.
    """

    database: Database
    memory_limit: int
    _works: set[Work] = field(default_factory=set)
    _inside: int = 0
    _thread: threading.Thread | None = None
    _change: threading.Condition = field(default_factory=threading.Condition)
    _closing: bool = False

    def start(self) -> None:
        """Begin to look."""
        self._thread = threading.Thread(target=self._watch, name="door-guard", daemon=True)
        self._thread.start()

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Around everything that uses the ledger: `close` waits for it.

        Raises:
            LeavingError: the ledger is about to be closed.
        """
        with self._change:
            if self._closing:
                raise LeavingError
            self._inside += 1
        try:
            yield
        finally:
            with self._change:
                self._inside -= 1
                self._change.notify_all()

    @contextlib.contextmanager
    def over(
        self, connection: duckdb.DuckDBPyConnection, client: socket.socket, seconds: float, share: float
    ) -> Iterator[Work]:
        """Look after what runs on `connection` inside the block: at most so many seconds, and that share of memory."""
        allowed = max(_LEAST_MEMORY, int(self.memory_limit * share))
        work = Work(connection, client, time.monotonic() + seconds, allowed, self._held())
        with self._change:
            self._works.add(work)
            if self._closing:
                work.gone = True
            self._change.notify_all()
        try:
            yield work
        finally:
            with self._change:
                self._works.discard(work)
                self._change.notify_all()

    def close(self, grace: float) -> None:
        """Let answers end for `grace` seconds, interrupt the rest, and return when none is left."""
        with self._change:
            self._change.wait_for(lambda: not self._inside, timeout=grace)
            self._closing = True
            for work in self._works:
                work.gone = True
            self._change.notify_all()
            while self._inside:
                for work in self._works:
                    work.connection.interrupt()
                    with contextlib.suppress(OSError):
                        work.client.shutdown(socket.SHUT_RDWR)  # it may be stuck in sending
                self._change.wait(_SECONDS_BETWEEN_LOOKS)
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._works or self._closing)
                if self._closing:
                    return
                works = list(self._works)
            held = self._held()
            for work in works:
                self._look(work, held)
            time.sleep(_SECONDS_BETWEEN_LOOKS)

    def _look(self, work: Work, held: int) -> None:
        if work.stopped is None:
            if time.monotonic() > work.until:
                work.stopped = "The answer takes longer than a process that is at work allows"
            elif held - work.held_before > work.allowed:
                work.stopped = (
                    f"The answer takes more than the {work.allowed >> 20:,} MB of memory that a run can spare"
                )
            elif _hung_up(work.client):
                work.stopped, work.gone = "Nobody waits for the answer", True
        if work.stopped is not None:
            with self._change:
                if work in self._works:  # else its connection may be closed
                    work.connection.interrupt()

    def _held(self) -> int:
        """Bytes of memory and of temporary files in use, without cached pages of the ledger."""
        try:
            ((engine,),) = self.database.query(
                "SELECT coalesce(sum(memory_usage_bytes + temporary_storage_bytes), 0) FROM duckdb_memory() "
                "WHERE tag <> 'BASE_TABLE'"
            )
            ((cached,),) = self.database.query(
                "SELECT coalesce(sum(memory_usage_bytes), 0) FROM duckdb_memory() WHERE tag = 'BASE_TABLE'"
            )
        except (duckdb.Error, PolyledgerError):  # too little memory to look, say: the next look tells
            return 0
        return max(int(engine), _resident() - int(cached))


def _resident() -> int:
    """Bytes of memory of this process where the system shows them; what Arrow holds is in no count of the engine's."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * resource.getpagesize()


def _hung_up(client: socket.socket) -> bool:
    """Whether the other side has closed the connection: it sends nothing after its question."""
    try:
        readable, _, _ = select.select([client], [], [], 0)
        return bool(readable) and client.recv(1, socket.MSG_PEEK) == b""
    except (OSError, ValueError):
        return True
