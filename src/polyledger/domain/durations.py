"""Spans of time as people write them: ``90``, ``90s``, ``2m``, ``1h30m``, ``2d``."""

from __future__ import annotations

import re
from typing import Final

from polyledger.domain.errors import UsageError

_UNITS: Final = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([dhms])")


def seconds_of(text: str) -> float:
    """The seconds that a text such as ``6h`` names; a plain number is seconds.

    Raises:
        UsageError: it is not a span of time, or nothing is left of it.
    """
    wanted = text.strip().lower()
    if re.fullmatch(r"\d+(?:\.\d+)?", wanted):
        seconds = float(wanted)
    elif re.fullmatch(rf"(?:{_PART.pattern}\s*)+", wanted):
        seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(wanted))
    else:
        raise UsageError(f"{text!r} is not a span of time", "Write it as 90s, 2m, 6h or 1h30m")
    if seconds <= 0:
        raise UsageError(f"{text!r} leaves no time", "Give more than nothing, such as 2m")
    return seconds
