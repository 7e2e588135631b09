"""Categories and the tags behind them, drawn for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from polyledger.cli.figures import NONE, amount, bar, compact, count, percent, shorten
from polyledger.cli.wallet_views import plain_table

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

__all__ = ["categories"]

Document = Mapping[str, Any]


def categories(document: Document, width: int) -> Iterable[RenderableType]:
    """``polyledger.categories/1``: a row per category, then what has none and what would give it one."""
    if not document["total"]["conditions"]:
        yield "There are no markets yet. Run polyledger sync first."
        return
    without = document["uncategorized"]
    used = [row for row in document["categories"] if row["conditions"] or Decimal(row["volume"])]
    table = plain_table("category", "markets", "events", "settled", "volume", "", "", right=(1, 2, 3, 4, 6))
    for row in [*used, without]:
        table.add_row(
            shorten(row["category"], 18),
            count(row["markets"]),
            count(row["events"]),
            percent(row["resolved"] / row["conditions"] if row["conditions"] else None),
            compact(row["volume"]),
            f"[{'yellow' if row is without else 'cyan'}]{bar(row['share'], max(6, min(20, width - 60)))}[/]",
            percent(row["share"]),
        )
    yield table
    unused = [row["category"] for row in document["categories"] if row not in used]
    if unused:
        yield f"[dim]In the table, with nothing in them here: {', '.join(unused)}.[/]"
    if without["reasons"]:
        yield ""
        yield _reasons(without["reasons"])
    if document["unknown_tags"]:
        yield ""
        yield _tags(document["unknown_tags"], width)
    yield ""
    enriched = document["enrichment"]["conditions"]
    yield "Known of all conditions: " + ", ".join(f"{name} {percent(share)}" for name, share in enriched.items()) + "."
    if not document["table"]["in_force"]:
        yield f"[yellow]{document['table']['origin']} has changed; it takes effect with the next polyledger sync.[/]"


def _reasons(reasons: Iterable[Document]) -> Table:
    table = plain_table("no category because", "conditions", "trades", "volume", right=(1, 2, 3))
    for row in reasons:
        table.add_row(row["reason"], count(row["conditions"]), count(row["trades"]), amount(row["volume"]))
    return table


def _tags(tags: Iterable[Document], width: int) -> Table:
    table = plain_table("unknown tag", "conditions", "volume", "without category", right=(1, 2, 3))
    for row in tags:
        lacking = row["uncategorized_conditions"]
        table.add_row(
            shorten(row["tag"], max(16, width - 44)),
            count(row["conditions"]),
            compact(row["volume"]),
            f"{compact(row['uncategorized_volume'])} in {count(lacking)}" if lacking else NONE,
        )
    return table
