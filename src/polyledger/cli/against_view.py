"""A comparison with somebody's figures or mapping, drawn for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from polyledger.cli.figures import NONE, amount, count, shorten
from polyledger.cli.wallet_views import plain_table

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

__all__ = ["verify_against"]

Document = Mapping[str, Any]
SHOWN = 20
NAMES = {"realized_pnl": "P&L", "coverage_conditions": "coverage", "outcome_index": "outcome index"}


def verify_against(document: Document, width: int) -> Iterable[RenderableType]:
    """``polyledger.verify-against/1``: how many rows agree, the causes of the others, and the largest differences."""
    yield f"{count(document['rows'])} rows of {document['file']}: {_totals(document)}."
    if document["unreadable"]:
        rows = ", ".join(str(row) for row in document["unreadable_rows"])
        yield f"[yellow]Not readable as ids and numbers[/]: rows {rows}{' …' if document['unreadable'] > 10 else ''}"
    if not document["differences"]:
        yield "[green]Everything that can be compared agrees.[/]" if document["agree"] else "Nothing can be compared."
        return
    yield ""
    yield _causes(document["causes"])
    ordered = sorted(document["differences"], key=_size, reverse=True)
    yield ""
    yield _differences(ordered[:SHOWN], width)
    if len(ordered) > SHOWN:
        yield f"{count(len(ordered) - SHOWN)} more differences; --json has them all."


def _totals(document: Document) -> str:
    parts = [f"{count(document['agree'])} agree", f"{count(document['differ'])} differ"]
    if document["not_in_ledger"]:
        parts.append(f"{count(document['not_in_ledger'])} are not in the ledger")
    if document["repeated"]:
        parts.append(f"{count(document['repeated'])} say again what another row says")
    if document.get("not_in_file"):
        parts.append(f"{count(document['not_in_file'])} wallets of the ledger are not in the file")
    return ", ".join(parts)


def _causes(causes: Iterable[Document]) -> Table:
    table = plain_table("cause", "figure", "rows", "amount", right=(2, 3))
    table.columns[0].no_wrap = False
    for cause in causes:
        means = "unexplained" if cause["cause"] == "unexplained" else cause["means"]
        table.add_row(
            means, NAMES.get(cause["figure"], cause["figure"]), count(cause["differences"]), amount(cause["amount"])
        )
    return table


def _differences(entries: Iterable[Document], width: int) -> Table:
    table = plain_table("what", "figure", "theirs", "ours", "cause", right=(2, 3))
    for entry in entries:
        subject = entry.get("wallet") or entry.get("token") or entry.get("condition") or str(entry["row"])
        category = f" {entry['category']}" if entry.get("category") else ""
        money = entry["figure"] in {"realized_pnl", "volume"}
        theirs, ours = (
            (amount(entry["theirs"]), amount(entry["ours"]))
            if money
            else (shorten(_plain(entry["theirs"]), 12), shorten(_plain(entry["ours"]), 12))
        )
        table.add_row(
            shorten(subject, 13) + category, NAMES.get(entry["figure"], entry["figure"]), theirs, ours,
            shorten(entry["cause"].replace("_", " "), max(24, width - 56)),
        )  # fmt: skip
    return table


def _plain(value: Any) -> str:
    return NONE if value is None else str(value)


def _size(entry: Document) -> Decimal:
    return abs(Decimal(entry["difference"])) if entry.get("difference") else Decimal(0)
