"""Answering at the socket of the workspace, from threads of the process that holds the ledger."""

from __future__ import annotations

import contextlib
import io
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Self

import duckdb
import pyarrow as pa

from polyledger.config import Settings
from polyledger.domain.errors import PolyledgerError, UsageError, WorkspaceLockedError
from polyledger.door.guard import Guard, LeavingError, Work
from polyledger.door.place import SOCKET_FILE, socket_address
from polyledger.door.questions import Asked, answer
from polyledger.door.wire import (
    DATA,
    END,
    FAILURE,
    LARGEST_QUESTION,
    QUESTION,
    Document,
    DoorClosedError,
    decode,
    encode,
    failure,
    receive_frame,
    send_frame,
)
from polyledger.store.database import Database
from polyledger.store.user_sql import read_only_query

Status = Callable[[], Document]
Note = Callable[[str], None]

_SECONDS_FOR_A_QUESTION: Final = 10.0
_SECONDS_TO_SEND: Final = 30.0
_SECONDS_FOR_SQL: Final = 120.0
_SECONDS_FOR_A_DOCUMENT: Final = 900.0
# Shares of the memory limit by which an answer may let the process grow.
_MEMORY_OF_SQL: Final = 0.25
_MEMORY_OF_A_DOCUMENT: Final = 0.5
_SECONDS_IN_LINE: Final = 60.0
_SECONDS_OF_GRACE: Final = 1.0
_SECONDS_BETWEEN_LOOKS: Final = 0.02  # whether the door is to be closed; every run waits for it at its end
_AT_ONCE: Final = 2
_CLIENTS: Final = 64
_ARROW_PIECE: Final = 1 << 20


class OpenDoor:
    """The socket while it is open. Start it with `start`, and `close` it before the database.

    Args:
        database: the ledger that this process writes. Its access to other files is switched off.
        settings, workspace: those the ledger is kept with.
        status: gives the polyledger.status/1 document of the run, at once.
        note: is told of answers that failed for an unexpected reason.
        seconds_for_sql: after which a user's query is stopped.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        workspace: Path,
        *,
        status: Status,
        note: Note = lambda _text: None,
        seconds_for_sql: float = _SECONDS_FOR_SQL,
    ) -> None:
        self.database = database
        self.settings = settings
        self.workspace = workspace
        self.status = status
        self.note = note
        self.seconds_for_sql = seconds_for_sql
        self.guard = Guard(database, settings.storage.memory_limit_bytes)
        self.turns = threading.Semaphore(_AT_ONCE)
        self._server: _Server | None = None

    def start(self) -> Self:
        """Open it.

        Raises:
            OSError: the file system of the workspace has no sockets.
        """
        self.database.forbid_files()
        (self.workspace / SOCKET_FILE).unlink(missing_ok=True)  # of a process that was killed: we hold the lock
        with socket_address(self.workspace) as address:
            self._server = _Server(address, self)
        self.guard.start()
        answer = self._server.serve_forever
        threading.Thread(target=answer, args=(_SECONDS_BETWEEN_LOOKS,), name="door", daemon=True).start()
        return self

    def close(self) -> None:
        """Take no more questions, let answers end or stop them, and remove the socket."""
        server, self._server = self._server, None
        if server is not None:
            with contextlib.suppress(OSError):
                (self.workspace / SOCKET_FILE).unlink(missing_ok=True)
            server.shutdown()
            server.server_close()
            self.guard.close(_SECONDS_OF_GRACE)


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = _CLIENTS

    def __init__(self, address: str, door: OpenDoor) -> None:
        self.door = door
        self._places = threading.BoundedSemaphore(_CLIENTS)
        super().__init__(address, _Answerer)

    def server_bind(self) -> None:
        super().server_bind()
        # Nobody can connect before the socket listens, so there is no moment in which others could.
        Path(str(self.server_address)).chmod(0o600)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)  # the client tries again
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """What an answer raised has been told to the client and to the log."""


class _Answerer(socketserver.BaseRequestHandler):
    """One connection: one question, one answer."""

    server: _Server
    request: socket.socket

    def handle(self) -> None:
        self.request.settimeout(_SECONDS_FOR_A_QUESTION)
        with contextlib.suppress(OSError, DoorClosedError):  # the client has gone, or speaks another language
            kind, payload = receive_frame(self.request, LARGEST_QUESTION)
            if kind != QUESTION:
                return
            self.request.settimeout(_SECONDS_TO_SEND)
            try:
                self._answer(_question(payload))
            except PolyledgerError as error:
                send_frame(self.request, FAILURE, failure(error))
            except LeavingError:
                return  # without an end, so that the client asks again: the ledger will be free
            except (OSError, DoorClosedError):
                raise
            except Exception as error:
                said = f"{type(error).__name__}: {error}"
                self.server.door.note(said)
                wrapped = PolyledgerError(f"The process that holds the ledger could not answer ({said})")
                send_frame(self.request, FAILURE, failure(wrapped))

    def _answer(self, question: Document) -> None:
        door = self.server.door
        if question.get("ask") == "status":
            self._send(encode(door.status()))
            return
        if not door.turns.acquire(timeout=_SECONDS_IN_LINE):
            raise WorkspaceLockedError(
                "The process that holds the ledger is answering other questions", "Ask again in a while"
            )
        try:
            with door.guard.inside():
                if "sql" in question:
                    self._sql(str(question["sql"]))
                    document = None
                else:
                    document = self._document(str(question.get("ask")), question.get("arguments") or {})
        finally:
            door.turns.release()
        if document is None:
            send_frame(self.request, END)
        else:
            self._send(document)

    def _document(self, name: str, arguments: Document) -> bytes:
        door = self.server.door
        with (
            door.database.snapshot() as snapshot,
            door.guard.over(snapshot.connection, self.request, _SECONDS_FOR_A_DOCUMENT, _MEMORY_OF_A_DOCUMENT) as work,
            _interruptions(work),
        ):
            return encode(answer(Asked(snapshot, door.settings, door.workspace), name, arguments))

    def _sql(self, query: str) -> None:
        door = self.server.door
        connection = door.database.cursor()
        try:
            with (
                door.guard.over(connection, self.request, door.seconds_for_sql, _MEMORY_OF_SQL) as work,
                _interruptions(work),
                read_only_query(connection, query) as rows,
            ):
                out = io.BufferedWriter(_Frames(self.request), _ARROW_PIECE)
                with pa.ipc.new_stream(out, rows.schema) as stream:
                    for batch in rows:
                        stream.write_batch(batch)
                out.flush()
        finally:
            connection.close()

    def _send(self, document: bytes) -> None:
        send_frame(self.request, DATA, document)
        send_frame(self.request, END)


class _Frames(io.RawIOBase):
    """What is written becomes DATA frames."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        send_frame(self._connection, DATA, view)
        return len(view)


@contextlib.contextmanager
def _interruptions(work: Work) -> Iterator[None]:
    """An interruption by the guard as the error that says why."""
    try:
        yield
    except duckdb.InterruptException:
        if work.gone:
            raise LeavingError from None
        raise work.error() from None


def _question(payload: bytes) -> Document:
    try:
        question = decode(payload)
    except ValueError as error:
        raise UsageError(f"This is no question ({error})") from error
    if not isinstance(question.get("arguments", {}), dict):
        raise UsageError("The arguments of a question are an object")
    return question
