"""What tests of many modules start from, made once."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from polyledger.door.client import Door
from tests.held_ledgers import held
from tests.worlds import HALF_OF_DEVWORLD, replica_of, sync, world_of

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


@pytest.fixture(scope="module")
def ledger(devworld: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of `devworld` for the tests of one module: it may be changed."""
    return Path(shutil.copytree(devworld, tmp_path_factory.mktemp("ledger") / "workspace"))


@pytest.fixture
def door(ledger: Path) -> Iterator[Door]:
    """The door of a ledger that is held."""
    with held(ledger):
        yield Door(ledger)


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """A replica of the shipped world whose node answers 25 blocks at a time, so that a scan takes many requests."""
    with replica_of(world_of(), {"rpc": {"max_block_range": 25}}) as running:
        yield running


@pytest.fixture(scope="session")
def half_world(url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the first half of the shipped world. Not to be changed: take a copy."""
    folder = tmp_path_factory.mktemp("half")
    assert sync(folder, url, chain={"to_block": HALF_OF_DEVWORLD})["state"] == "done"
    return folder


def _make(folder: Path) -> None:
    with replica_of(world_of()) as url:
        assert sync(folder, url)["state"] == "done"
