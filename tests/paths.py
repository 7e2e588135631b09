"""Where tests find data: the worlds that ship with the package, and shared records that may be absent."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
SHARED = PROJECT.parent / "shared"
WORLDS = Path(str(resources.files("polyledger.replica").joinpath("worlds")))

DEVWORLD_LOGS = WORLDS / "devworld_logs.json.gz"
DEVWORLD_TRUTH = WORLDS / "devworld_truth.json.gz"
BIGWORLD_LOGS = SHARED / "data" / "chain" / "bigworld_logs.json.gz"
BIGWORLD_TRUTH = SHARED / "data" / "chain" / "bigworld_truth.json.gz"
REAL = SHARED / "data" / "real"


def shared_file(path: Path) -> Path:
    """The path, or a skip that says which file is missing."""
    if not path.is_file():
        pytest.skip(f"shared data is absent: {path.name} (looked in {path.parent})")
    return path


def real_file(name: str) -> Path:
    """A file of real records by its name, or a skip."""
    return shared_file(REAL / name)


needs_bigworld = pytest.mark.skipif(
    not (BIGWORLD_LOGS.is_file() and BIGWORLD_TRUTH.is_file()), reason="shared data is absent: bigworld"
)
needs_real_records = pytest.mark.skipif(not REAL.is_dir(), reason="shared data is absent: real records")
WORLDS_WITH_TRUTH = [
    pytest.param((DEVWORLD_LOGS, DEVWORLD_TRUTH), id="devworld"),
    pytest.param((BIGWORLD_LOGS, BIGWORLD_TRUTH), id="bigworld", marks=[pytest.mark.long, needs_bigworld]),
]
"""Recorded worlds (logs, truth) for fixtures that take one after the other."""
