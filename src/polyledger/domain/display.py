"""Figures as people read them, exact until they are rounded for show. Amounts arrive as decimal strings; no floats."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

NONE: Final = "–"
"""What stands where nothing is known: never a zero."""

_SUFFIXES: Final = ((Decimal(10) ** 9, "B"), (Decimal(10) ** 6, "M"), (Decimal(10) ** 3, "k"))


def amount(text: str | None) -> str:
    """``"1234567.891000"`` as ``1,234,567.89``; nothing known is a dash, never a zero."""
    if text is None:
        return NONE
    return f"{cents(text):,}"


def compact(text: str | None) -> str:
    """``"-1234567.89"`` as ``-1.2M``: five characters and a sign at most, for narrow places."""
    if text is None:
        return NONE
    value = Decimal(text)
    for unit, suffix in _SUFFIXES:
        scaled = value / unit
        if abs(scaled) >= Decimal("0.9995"):  # 999.5 k is shown as 1.0M
            return f"{_rounded(scaled, '0.1' if abs(scaled) < Decimal('99.95') else '1')}{suffix}"
    return f"{_rounded(value, '1')}"


def count(number: int | None) -> str:
    """A number of things with thousands separators."""
    return NONE if number is None else f"{number:,}"


def ratio(part: str | int | None, whole: str | int | None) -> Decimal | None:
    """``part / whole``; nothing where there is no denominator."""
    if part is None or whole is None or Decimal(whole) == 0:
        return None
    return Decimal(part) / Decimal(whole)


def percent(share: Decimal | float | None) -> str:
    """A share of 1 as ``82.1 %``. Rounded towards zero: 99.96 % must not read as complete."""
    if share is None:
        return NONE
    tenths = int(Decimal(str(share)) * 1000)
    return f"{tenths // 10}.{tenths % 10} %"


def seconds(value: float | None) -> str:
    """A span of time in the unit that fits: ``0.4 s``, ``3 min 12 s``, ``5 h 20 min``."""
    if value is None:
        return NONE
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def shorten(text: str, width: int) -> str:
    """The text, its middle replaced by an ellipsis when it is longer than ``width``."""
    if len(text) <= width:
        return text
    tail = (width - 1) // 3
    return f"{text[: width - 1 - tail]}…{text[len(text) - tail :]}"


def cents(text: str) -> Decimal:
    """The amount rounded to hundredths, half to even; never a negative zero."""
    return _rounded(Decimal(text), "0.01")


def _rounded(value: Decimal, unit: str) -> Decimal:
    rounded = value.quantize(Decimal(unit), rounding=ROUND_HALF_EVEN)
    return abs(rounded) if rounded == 0 else rounded
