"""Asking the process that holds the ledger."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from polyledger.door.place import socket_address
from polyledger.door.wire import (
    DATA,
    END,
    QUESTION,
    Document,
    DoorClosedError,
    decode,
    encode,
    raise_failure,
    receive_frame,
    send_frame,
)

_SECONDS_TO_CONNECT: Final = 5.0
# Longer than whoever answers allows itself.
_SECONDS_TO_ANSWER: Final = 1000.0


class Door:
    """The socket of a workspace, seen from outside.

    Every method raises `DoorClosedError` when nobody answers, and otherwise the errors of the question itself.
    """

    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace

    def ask(
        self, name: str, arguments: Mapping[str, Any] | None = None, *, patience: float = _SECONDS_TO_ANSWER
    ) -> Document:
        """The document that answers the question; `patience` in seconds is for each next piece."""
        question = {"ask": name, "arguments": dict(arguments or {})}
        return decode(b"".join(self._answer(question, patience)))

    def sql(self, query: str) -> pa.Table:
        """The rows of a read-only query."""
        answer = b"".join(self._answer({"sql": query}, _SECONDS_TO_ANSWER))
        with pa.ipc.open_stream(pa.py_buffer(answer)) as reader:
            return reader.read_all()

    def _answer(self, question: Document, patience: float) -> Iterator[bytes]:
        with contextlib.closing(self._connect()) as connection:
            try:
                send_frame(connection, QUESTION, encode(question))
                connection.settimeout(patience)
                while True:
                    kind, payload = receive_frame(connection)
                    if kind == END:
                        return
                    if kind == DATA:
                        yield payload
                    else:
                        raise_failure(payload)
            except OSError as error:
                raise DoorClosedError(str(error)) from error

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_SECONDS_TO_CONNECT)
        try:
            with socket_address(self._workspace) as address:
                connection.connect(address)
        except OSError as error:
            connection.close()
            raise DoorClosedError(str(error)) from error
        return connection
