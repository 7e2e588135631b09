"""Figures as people read them: amounts, shares of a whole, and small pictures made of characters.

Amounts arrive as decimal strings and stay exact until they are rounded for show; no floats on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal

__all__ = ["amount", "bar", "compact", "count", "percent", "range_bar", "ratio", "seconds", "shorten", "signed"]

_SUFFIXES = ((Decimal(10) ** 9, "B"), (Decimal(10) ** 6, "M"), (Decimal(10) ** 3, "k"))
NONE = "–"


def amount(text: str | None) -> str:
    """``"1234567.891000"`` as ``1,234,567.89``; nothing known is a dash, never a zero."""
    if text is None:
        return NONE
    return f"{_cents(text):,}"


def signed(text: str | None) -> str:
    """As :func:`amount`, with a plus before gains and red or green around it (rich markup)."""
    if text is None:
        return NONE
    value = _cents(text)
    if value == 0:
        return f"{abs(value):,}"
    return f"[green]+{value:,}[/]" if value > 0 else f"[red]{value:,}[/]"


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


def bar(share: Decimal | float | None, width: int = 20) -> str:
    """A horizontal bar. Only a whole share fills it; a share above zero shows at least a sliver."""
    if share is None:
        return "·" * width
    filled = int(Decimal(str(share)) * width)
    if share > 0 and filled == 0:
        return "▏" + "░" * (width - 1)
    return "█" * filled + "░" * (width - filled)


def range_bar(low: str, high: str, scale: tuple[Decimal, Decimal], width: int = 18) -> str:
    """The interval from low to high on a scale shared by all rows, with the zero line where the scale crosses it.

    ``├──┤`` is an interval, ``●`` a single point (nothing open), ``┊`` zero.
    """
    begin, end = scale
    span = end - begin
    cells = [" "] * width

    def cell(value: Decimal) -> int:
        return 0 if span == 0 else max(0, min(width - 1, int((value - begin) / span * (width - 1) + Decimal("0.5"))))

    if begin <= 0 <= end:
        cells[cell(Decimal(0))] = "┊"
    first, last = cell(Decimal(low)), cell(Decimal(high))
    if first == last:
        cells[first] = "●" if Decimal(low) == Decimal(high) else "┿"
    else:
        cells[first : last + 1] = ["├", *"─" * (last - first - 1), "┤"]
        zero = cell(Decimal(0))
        if first < zero < last and begin <= 0 <= end:
            cells[zero] = "┼"
    return "".join(cells)


def common_scale(rows: Sequence[tuple[str, str]]) -> tuple[Decimal, Decimal]:
    """The scale on which all (low, high) rows fit, zero included so that the sign can be seen."""
    lows = [Decimal(low) for low, _ in rows]
    highs = [Decimal(high) for _, high in rows]
    return min([*lows, Decimal(0)]), max([*highs, Decimal(0)])


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


def _cents(text: str) -> Decimal:
    return _rounded(Decimal(text), "0.01")


def _rounded(value: Decimal, unit: str) -> Decimal:
    rounded = value.quantize(Decimal(unit), rounding=ROUND_HALF_EVEN)
    return abs(rounded) if rounded == 0 else rounded
