"""A wallet over time, drawn for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from polyledger.cli.figures import common_scale, compact, count, percent, range_bar, signed
from polyledger.cli.wallet_views import plain_table

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["series"]

Document = Mapping[str, Any]
_SHOWN_ROWS = 60


def series(document: Document, width: int) -> Iterable[RenderableType]:
    """The series of ``polyledger.wallet/1``: a row per day or week in which something changed, and the last one."""
    rows = document["series"]
    changed = [row for row in rows[:-1] if any(map(Decimal, row["change"].values()))] + rows[-1:]
    shown = changed[-_SHOWN_ROWS:]
    picture = max(8, min(24, width - 56))
    scale = common_scale([(row["low"], row["high"]) for row in shown])
    table = plain_table(
        f"{document['span']} from", "realized P&L", "cash", "settled", "least", "", "most", right=(1, 2, 3, 4, 6)
    )
    for row in shown:
        table.add_row(
            row["from"][:10],
            signed(row["realized_pnl"]),
            compact(row["cash_flow"]),
            percent(row["coverage"]["conditions"]),
            compact(row["low"]),
            range_bar(row["low"], row["high"], scale, picture),
            compact(row["high"]),
        )
    yield table
    if len(shown) < len(rows):
        yield f"[dim]{count(len(rows) - len(shown))} more without a change or earlier; --json has them all.[/]"
