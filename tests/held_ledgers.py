"""A ledger that is held by this process as a run does, with its door open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polyledger
from polyledger.config import load_settings
from polyledger.door.server import OpenDoor
from polyledger.store.database import Database
from polyledger.sync.lock import WorkspaceLock
from polyledger.workspace import Workspace


@contextmanager
def held(folder: Path, *, status: dict[str, Any] | None = None, seconds_for_sql: float = 120.0) -> Iterator[OpenDoor]:
    """Hold the workspace as a run does, with its door open, from this process."""
    settings = load_settings(folder, {})
    with WorkspaceLock(folder, "sync"):
        database = Database(folder / "ledger.duckdb", read_only=False, memory_limit="1GB", threads=2)
        door = OpenDoor(
            database, settings, folder, status=lambda: status or {"schema": "s"}, seconds_for_sql=seconds_for_sql
        )
        try:
            door.start()
            yield door
        finally:
            door.close()
            database.close()


def opened(folder: Path) -> Workspace:
    return polyledger.open(folder, settings=load_settings(folder, {}))
