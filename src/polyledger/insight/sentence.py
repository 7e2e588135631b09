"""One sentence about a wallet: where its profit comes from, on which side, and how much of that is known."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

_MOST: Final = Decimal("0.5")


def sentence(wallet: Mapping[str, Any]) -> str:
    """The sentence for one W object of the contract (``polyledger.wallets/1``), categories included."""
    resolved, traded = wallet["resolved_conditions"], wallet["traded_conditions"]
    if not traded:
        return "It has no trades of its own."
    if not resolved:
        noun = "condition" if traded == 1 else "conditions"
        return f"Not enough data: none of its {traded:,} traded {noun} is settled yet."
    total = Decimal(wallet["realized_pnl"])
    parts = {part["category"]: Decimal(part["realized_pnl"]) for part in wallet["categories"]}
    coverage = f"with {_percent(wallet['coverage']['conditions'])} of its conditions settled"
    if total == 0:
        return f"It is even so far, {coverage}."
    gain = total > 0
    name = max(sorted(parts), key=lambda key: parts[key] if gain else -parts[key])
    of_sign = sum((value for value in parts.values() if (value > 0) == gain), Decimal(0))
    share = parts[name] / of_sign
    what = "profit" if gain else "loss"
    how_much = "All of" if share == 1 else "Most of" if share > _MOST else "The largest part of"
    side = next(part["predominant_side"] for part in wallet["categories"] if part["category"] == name)
    on_side = f", mostly on the {side} side" if side in {"YES", "NO"} else ""
    return f"{how_much} this wallet's {what} is in {name} ({_signed(parts[name])} USDC){on_side}, {coverage}."


def _percent(ratio: float) -> str:
    return f"{int(Decimal(str(ratio)) * 100)} %"


def _signed(value: Decimal) -> str:
    return f"{value:+,.2f}"
