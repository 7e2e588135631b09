"""Opaque cursors, bound to the query they were made for as the services bind theirs."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable


def query_digest(route: str, parameters: Iterable[tuple[str, str]], ignored: frozenset[str]) -> str:
    """What a cursor is bound to: the route and every parameter but those that may change from page to page."""
    kept = sorted((name, value) for name, value in parameters if name not in ignored)
    return hashlib.sha256(json.dumps([route, kept]).encode()).hexdigest()[:16]


def make_cursor(digest: str, *numbers: int) -> str:
    """A cursor that holds some whole numbers, such as where the next page begins."""
    return base64.urlsafe_b64encode(f"{digest}:{','.join(map(str, numbers))}".encode()).decode()


def read_cursor(cursor: str, digest: str) -> list[int] | None:
    """The numbers a cursor holds; None when it is no cursor of ours or was made for another query."""
    try:
        made_for, numbers = base64.urlsafe_b64decode(cursor.encode()).decode().split(":")
        return [int(number) for number in numbers.split(",")] if made_for == digest else None
    except ValueError:
        return None
