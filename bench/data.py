"""Where the measurements read and write: recorded worlds, and a scratch folder that git ignores."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
SCRATCH = PROJECT / ".bench"
_SHARED = PROJECT.parent / "shared" / "data" / "chain"
_SHIPPED = Path(str(resources.files("polyledger.replica").joinpath("worlds")))


def recorded_world() -> Path:
    """The logs of the largest recorded world at hand: bigworld, else the devworld that ships with the package."""
    bigworld = _SHARED / "bigworld_logs.json.gz"
    return bigworld if bigworld.is_file() else _SHIPPED / "devworld_logs.json.gz"


def truth_beside(logs: Path) -> Path:
    """The truth file of a world."""
    return logs.with_name(logs.name.split("_logs")[0] + "_truth.json.gz")


def scratch(name: str) -> Path:
    """A path in the scratch folder, which exists afterwards."""
    SCRATCH.mkdir(exist_ok=True)
    return SCRATCH / name


@contextmanager
def scratch_folder(name: str) -> Iterator[Path]:
    """An empty folder in the scratch folder, which is gone at the end with all that was written into it."""
    folder = scratch(name)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
