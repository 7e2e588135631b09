"""Commands that are refused, as processes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.worlds import (
    COMMAND,
    command_environment,
)

long = pytest.mark.long
Finished = subprocess.CompletedProcess[str]


def run(url: str, workspace: Path, *arguments: str, **variables: str) -> Finished:
    return subprocess.run(
        [*COMMAND, "-w", str(workspace), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**command_environment(url), **variables},
    )


def assert_refused(done: Finished, code: int, *parts: str) -> None:
    """One paragraph on standard error that says all of `parts` and what to do; nothing on standard output."""
    assert done.returncode == code, (done.args, done.stdout, done.stderr)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    # What happened, and after it what to do.
    assert done.stderr.rstrip().endswith(".")
    assert done.stderr.count(". ") >= 1, done.stderr
    for part in parts:
        assert part in done.stderr, (part, done.stderr)


def copy_of(workspace: Path, folder: Path) -> Path:
    return Path(shutil.copytree(workspace, folder / "copy"))
