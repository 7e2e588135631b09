"""Spans of time as people write them."""

from __future__ import annotations

import pytest

from polyledger.domain.durations import seconds_of
from polyledger.domain.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("2m", 120), ("6h", 21_600), ("1h30m", 5_400), ("1.5h", 5_400), (" 2 D ", 172_800)],
)
def test_what_is_read(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "six hours", "5x", "-3m", "0", "0m", "1h 5", "m"])
def test_what_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="2m"):
        seconds_of(text)
