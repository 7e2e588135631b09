"""The column that wallets are ranked by, where a table of them does not have it anyway."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from polyledger.cli.figures import NONE, amount, count, percent, signed

Document = Mapping[str, Any]

_AMOUNTS: Final = ("volume", "cash_flow", "settled_value", "transferred_value", "low", "high", "paid", "average_pnl")
_SHARES: Final = ("win_rate", "roi", "early_share", "late_share")


@dataclass(frozen=True)
class RankedColumn:
    """Its heading, and the cell of a W object."""

    heading: str
    cell: Callable[[Document], str]


def ranked_column(order_by: str | None, shown: tuple[str, ...]) -> RankedColumn | None:
    """None where `shown` has it, or there is nothing to rank by."""
    if order_by is None or order_by in shown:
        return None
    return RankedColumn(order_by.replace("_", " "), partial(_cell, order_by))


def _cell(name: str, row: Document) -> str:
    value = row.get(name)
    if isinstance(value, Mapping):  # position sizes
        value = value["median"]
    if value is None:
        return NONE
    if name in _SHARES:
        return percent(value)
    if name in _AMOUNTS or name == "position_size":
        return signed(value) if name in {"average_pnl", "cash_flow"} else amount(value)
    return count(value)
