"""Contradictions between claims, drawn for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from polyledger.cli.figures import amount, count, shorten
from polyledger.cli.wallet_views import plain_table

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["conflicts"]

Document = Mapping[str, Any]

_COLOURS = {"conflict": "red", "unknown": "yellow", "proven": "green"}


def conflicts(document: Document, width: int) -> Iterable[RenderableType]:
    """``polyledger.conflicts/1``: one line per contradiction with who says what, then what was set aside."""
    from rich.markup import escape

    if not document["conflicts"] and not document["quarantines"]:
        yield "No source contradicts another or a proof, and nothing was set aside."
        return
    if document["conflicts"]:
        table = plain_table("about", "field", "verdict", "claims", "trades", "volume", right=(4, 5))
        for found in document["conflicts"]:
            verdict = found["verdict"]
            table.add_row(
                f"{found['subject']['kind']} {shorten(found['subject']['id'], 14)}",
                found["field"],
                f"[{_COLOURS.get(verdict, 'default')}]{verdict}[/]",
                escape(shorten(_claims(found["claims"]), max(16, width - 74))),
                count(found["trades"]),
                amount(found["volume"]),
            )
        yield table
        yield "[dim]polyledger explain ID shows every claim with its evidence.[/]"
    for aside in document["quarantines"]:
        yield f"[yellow]set aside[/]: {escape(aside['source'])}: {escape(aside['pattern'])}"


def _claims(claims: list[Document]) -> str:
    return "; ".join(dict.fromkeys(f"{claim['source']}: {_short(claim['value'])}" for claim in claims))


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(_short(part) for part in value.values() if part is not None)
    if isinstance(value, list):
        return "/".join(str(part).rstrip("0").rstrip(".") for part in value)
    return shorten(str(value), 20)
