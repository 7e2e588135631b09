"""Figures as people read them: amounts, shares of a whole, and small pictures made of characters.

Amounts arrive as decimal strings and stay exact until they are rounded for show; no floats on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from polyledger.domain.display import NONE, amount, cents, compact, count, percent, ratio, seconds, shorten

__all__ = [
    "NONE", "amount", "bar", "common_scale", "compact", "count", "percent", "range_bar", "ratio", "seconds", "shorten",
    "signed",
]  # fmt: skip


def signed(text: str | None) -> str:
    """As :func:`amount`, with a plus before gains and red or green around it (rich markup)."""
    if text is None:
        return NONE
    value = cents(text)
    if value == 0:
        return f"{abs(value):,}"
    return f"[green]+{value:,}[/]" if value > 0 else f"[red]{value:,}[/]"


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
