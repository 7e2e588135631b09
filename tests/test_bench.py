"""The measurements run, and what they compare computes the same."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.paths import PROJECT


@pytest.mark.long
def test_small_measurements_agree_with_their_baselines() -> None:
    # A measurement ends with an error when polyledger and a baseline give different results.
    arguments = ["--rows", "60000", "profit", "average-cost"]
    run = subprocess.run(
        [sys.executable, "-m", "bench", *arguments], cwd=PROJECT, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("times faster") == 1
    assert {line.split(",")[0] for line in run.stdout.splitlines() if "M fills" in line} == {
        "coverage",
        "profit",
        "profit as sync leaves the ledger",
        "average cost",
    }


@pytest.mark.long
def test_the_breakdown_is_measured_beside_plain_profit() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "bench", "--rows", "60000", "breakdown"],
        cwd=PROJECT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert sum("polars, plain P&L" in line for line in run.stdout.splitlines()) == 5
