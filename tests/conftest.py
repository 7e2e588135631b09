"""What tests of many modules start from, made once."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

import pytest

from tests.worlds import replica_of, sync, world_of

# Hundreds of processes are started: each would compile the whole package for itself.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(scope="session")
def devworld(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A workspace after one sync of the shipped world with all its services. Not to be changed: take a copy."""
    own = tmp_path_factory.getbasetemp() / "devworld"
    if worker_id == "master":
        _make(own)
        return own
    shared = tmp_path_factory.getbasetemp().parent
    with (shared / "devworld.lock").open("w") as lock:  # workers wait for the one that comes first
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "devworld").exists():
            _make(shared / "devworld.part")
            (shared / "devworld.part").rename(shared / "devworld")
    return Path(shutil.copytree(shared / "devworld", own))


def _make(folder: Path) -> None:
    with replica_of(world_of()) as url:
        assert sync(folder, url)["state"] == "done"
