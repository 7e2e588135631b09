"""Gaps and plans, drawn for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from polyledger.cli.figures import NONE, amount, bar, compact, count, percent, seconds, shorten
from polyledger.cli.wallet_views import plain_table

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

__all__ = ["gaps", "plan"]

Document = Mapping[str, Any]

_PLURALS = {
    "token": "tokens",
    "transaction": "transactions",
    "market_id": "market ids",
    "slug": "slugs",
    "condition": "conditions",
    "event": "events",
    "file": "files",
}


def gaps(document: Document, width: int) -> Iterable[RenderableType]:
    """``polyledger.gaps/1``: a line per thing that is missing, then the keys that weigh most."""
    if not document["gaps"]:
        yield "Nothing is missing." if document["trades"] else "There are no trades yet. Run polyledger sync or import."
        return
    yield f"{count(document['trades'])} trades, {amount(document['volume'])} USDC"
    yield ""
    room = max(6, min(20, width - 67))
    table = plain_table("missing", "keys", "trades", "", "of trades", "of volume", right=(1, 2, 4, 5))
    for gap in document["gaps"]:
        table.add_row(
            _missing(gap),
            count(gap["keys"]),
            compact(str(gap["trades"])),
            f"[yellow]{bar(gap['share']['volume'], room)}[/]",
            percent(gap["share"]["trades"]),
            percent(gap["share"]["volume"]),
        )
    yield table
    if document["by"]:
        yield ""
        yield _groups(document["by"])
    if document["keys"]:
        yield ""
        yield _keys(document["keys"], width)


def _missing(gap: Document) -> str:
    if gap["missing"] == "trade":
        return "trades of files"
    return f"{gap['missing']} of {_PLURALS[gap['of']]}"


def _groups(groups: Iterable[Document]) -> Table:
    table = plain_table("", "missing", "keys", "trades", "volume", right=(2, 3, 4))
    for group in groups:
        for place, gap in enumerate(group["gaps"]):
            name = shorten(str(group["key"]), 22) if place == 0 else ""
            table.add_row(name, _missing(gap), count(gap["keys"]), compact(str(gap["trades"])), compact(gap["volume"]))
    return table


def _keys(keys: Iterable[Document], width: int) -> Table:
    table = plain_table("missing", "key", "trades", "volume", "last trade", right=(2, 3))
    for key in keys:
        table.add_row(
            _missing(key),
            shorten(key["key"], max(12, width - 56)),
            compact(str(key["trades"])),
            compact(key["volume"]),
            (key["last_trade"] or NONE)[:10],
        )
    return table


def plan(document: Document, width: int) -> Iterable[RenderableType]:
    """``polyledger.plan/1``: the stages in order, what they come to, and what the budget buys."""
    from rich.markup import escape

    if not document["stages"]:
        yield "There is nothing to do."
    else:
        yield _stages(document, width)
        yield ""
        yield f"{count(document['requests'])} requests, about {seconds(document['seconds'])}"
        yield from _budget(document)
    for suggestion in document["suggestions"]:
        yield ""
        yield f"[yellow]{escape(suggestion)}[/]"


def _stages(document: Document, width: int) -> Table:
    is_budgeted = document["budget"] is not None
    headings = ["source", "asked for", "keys", "requests", "time", "trades", "volume"]
    table = plain_table(*headings, *(["done"] if is_budgeted else []), right=range(2, 8))
    for stage in document["stages"]:
        what = stage["action"].replace("-", " ")
        if stage["tier"]:
            what = f"{what}, {stage['tier']}"
        expected = stage["expected"]
        row = [
            stage["source"],
            f"[dim]{what}, left over[/]" if stage["depends"] else what,
            compact(str(stage["keys"])),
            compact(str(stage["requests"])),
            seconds(stage["seconds"]) if width >= 80 else compact(str(round(stage["seconds"]))),
            NONE if expected["trades"] is None else f"+{compact(str(expected['trades']))}",
            NONE if expected["volume"] is None else f"+{compact(expected['volume'])}",
        ]
        table.add_row(*row, *([_share(stage["within_budget"])] if is_budgeted else []))
    return table


def _share(share: float) -> str:
    return "all" if share >= 1 else "–" if share <= 0 else f"{int(share * 100)} %"


def _budget(document: Document) -> Iterable[str]:
    if document["budget"] is None:
        return
    buys = document["buys"]
    if document["fits_budget"]:
        yield f"[green]All of it fits into {seconds(document['budget'])}.[/]"
        return
    yield (
        f"[yellow]{seconds(document['budget'])} are not enough for all of it.[/] They buy {count(buys['requests'])} "
        f"requests: {count(buys['trades'])} trades, {amount(buys['volume'])} USDC."
    )
