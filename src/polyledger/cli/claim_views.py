"""Contradictions between claims, drawn for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from polyledger.cli.figures import amount, count, shorten

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["conflicts"]

Document = Mapping[str, Any]

_COLOURS = {"conflict": "red", "unknown": "yellow", "proven": "green"}


def conflicts(document: Document, width: int) -> Iterable[RenderableType]:
    """``polyledger.conflicts/1``: each contradiction with who says what beneath it, then what was set aside."""
    from rich.markup import escape

    if not document["conflicts"] and not document["quarantines"]:
        yield "No source contradicts another or a proof, and nothing was set aside."
        return
    for found in document["conflicts"]:
        subject, verdict = found["subject"], found["verdict"]
        yield (
            f"[{_COLOURS.get(verdict, 'bold')}]{verdict}[/]  {found['field']} of {subject['kind']} "
            f"{shorten(subject['id'], 14)}, {count(found['trades'])} trades, {amount(found['volume'])} USDC"
        )
        for said in dict.fromkeys(_claim(claim, width - 4) for claim in found["claims"]):
            yield f"    [dim]{escape(said)}[/]"
    if document["conflicts"]:
        yield "polyledger explain ID shows every claim with its evidence."
    for aside in document["quarantines"]:
        yield f"[yellow]set aside[/]: {escape(aside['source'])}: {escape(aside['pattern'])}"


def _claim(claim: Document, room: int) -> str:
    mark = "taken" if claim["won"] else "refuted" if claim["refuted"] else "not taken"
    return shorten(f"{claim['source']}: {_short(claim['value'])} ({mark})", room)


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(_short(part) for part in value.values() if part is not None)
    if isinstance(value, list):
        return "/".join(str(part).rstrip("0").rstrip(".") for part in value)
    return shorten(str(value), 40)
