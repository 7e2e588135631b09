"""Opaque, signed cursors: bound to the query they were made for, as the services bind theirs."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable


def query_digest(route: str, parameters: Iterable[tuple[str, str]], ignored: frozenset[str]) -> str:
    """What a cursor is bound to: the route and every parameter but those that may change from page to page."""
    kept = sorted((name, value) for name, value in parameters if name not in ignored)
    return hashlib.sha256(json.dumps([route, kept]).encode()).hexdigest()[:16]


def make_cursor(digest: str, position: int) -> str:
    """A cursor that leads on from `position`, the number of rows handed out so far."""
    return base64.urlsafe_b64encode(f"{digest}:{position}".encode()).decode()


def read_cursor(cursor: str, digest: str) -> int | None:
    """The position a cursor holds; None when it is no cursor of ours or was made for another query."""
    try:
        made_for, position = base64.urlsafe_b64decode(cursor.encode()).decode().split(":")
        return int(position) if made_for == digest else None
    except ValueError:
        return None
