"""What goes over the socket: frames, questions, documents, Arrow streams and errors. Nothing that is executed.

A frame is one byte for its kind, four bytes of length (big-endian), and the payload. A client sends one QUESTION; the
answer is any number of DATA frames and then END, or a FAILURE at any point. Without either, the process that answered
has ended, and what has come so far counts for nothing.
"""

from __future__ import annotations

import socket
import struct
from typing import Any, Final

import msgspec

from polyledger.domain import errors
from polyledger.domain.errors import PolyledgerError, RateLimitedError

Document = dict[str, Any]

QUESTION: Final = b"Q"
DATA: Final = b"D"
END: Final = b"."
FAILURE: Final = b"E"
LARGEST_QUESTION: Final = 1 << 20
LARGEST_FRAME: Final = 1 << 24
_HEAD: Final = struct.Struct(">cI")


class DoorClosedError(Exception):
    """Nobody answers behind the socket, or whoever did has ended; ask again or open the ledger."""


def send_frame(connection: socket.socket, kind: bytes, payload: bytes | memoryview = b"") -> None:
    """Send one frame; payloads of DATA may be of any size and are cut up."""
    view = memoryview(payload).cast("B")
    for start in range(0, max(len(view), 1), LARGEST_FRAME):
        part = view[start : start + LARGEST_FRAME]
        connection.sendall(_HEAD.pack(kind, len(part)))
        if part:
            connection.sendall(part)


def receive_frame(connection: socket.socket, largest: int = LARGEST_FRAME) -> tuple[bytes, bytes]:
    """The kind and payload of the next frame.

    Raises:
        DoorClosedError: the connection ended, or what came is no frame.
    """
    kind, length = _HEAD.unpack(_receive(connection, _HEAD.size))
    if kind not in {QUESTION, DATA, END, FAILURE} or length > largest:
        raise DoorClosedError(f"not a frame: {kind!r}, {length} bytes")
    return kind, _receive(connection, length)


def _receive(connection: socket.socket, length: int) -> bytes:
    parts = bytearray()
    while len(parts) < length:
        part = connection.recv(min(length - len(parts), 1 << 20))
        if not part:
            raise DoorClosedError("the connection ended")
        parts += part
    return bytes(parts)


def encode(document: Document) -> bytes:
    """A document as JSON. Values that JSON cannot carry exactly are an error."""
    return msgspec.json.encode(document, enc_hook=_refuse)


def decode(payload: bytes) -> Document:
    """The JSON object in a payload.

    Raises:
        ValueError: it is no JSON object.
    """
    return msgspec.json.decode(payload, type=dict[str, Any])


def failure(error: PolyledgerError) -> bytes:
    """An error as JSON: its kind, what happened, and what to do next."""
    document = {"kind": type(error).__name__, "what": error.what, "next_step": error.next_step}
    if isinstance(error, RateLimitedError):
        document["retry_after"] = error.retry_after  # type: ignore[assignment]
    return encode(document)


def raise_failure(payload: bytes) -> None:
    """Raise the error that a FAILURE frame describes; kinds that this version does not know are a PolyledgerError."""
    document = decode(payload)
    kind = getattr(errors, str(document.get("kind")), PolyledgerError)
    what, next_step = str(document.get("what")), str(document.get("next_step") or "")
    if kind is RateLimitedError:
        raise RateLimitedError(what, next_step, retry_after=document.get("retry_after"))
    if not (isinstance(kind, type) and issubclass(kind, PolyledgerError)):
        kind = PolyledgerError
    raise kind(what, next_step)


def _refuse(value: object) -> None:
    raise TypeError(f"a document holds a {type(value).__name__}, which JSON cannot carry exactly: {value!r}")
