"""Signals, drawn for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from polyledger.cli.figures import NONE, compact, count, percent, shorten

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["signals"]

Document = Mapping[str, Any]


def signals(document: Document, width: int) -> Iterable[RenderableType]:
    """``polyledger.signals/1``: rules, where they overlap, and what they found, each with the reason."""
    from polyledger.cli.wallet_views import plain_table

    replay = document.get("replay")
    if replay is not None:
        yield (
            f"From {replay['since']} to {replay['until']}: {_several(replay['fired'], 'new signal')}"
            + (f", {count(replay['voided'])} void since a reorg" if replay["voided"] else "")
            + "."
        )
        yield ""
    table = plain_table("rule", "signals", "awaiting", "void", right=range(1, 4))
    for rule in document["rules"]:
        table.add_row(rule["rule"], count(rule["fired"]), count(rule["awaiting"]), count(rule["voided"]))
    yield table
    if any(rule["awaiting"] for rule in document["rules"]):
        yield "Awaiting: fires when what the rule asks about the market is known, if it holds then."
    for pair in document["overlaps"]:
        yield f"{pair['rules'][0]} and {pair['rules'][1]} overlap; one fill can fire both: {pair['on']}."
    if not document["signals"]:
        yield "No signals yet. Rules see new fills at each sync; --replay FROM TO runs them over history."
        return
    for row in document["signals"]:
        yield ""
        yield from _signal(row, width)
    left = sum(rule["fired"] for rule in document["rules"]) - len(document["signals"])
    if left > 0:
        yield ""
        yield f"… {count(left)} more; --limit or --json shows them."


def _signal(row: Document, width: int) -> Iterable[str]:
    from rich.markup import escape

    outcome = row["outcome"] or "an outcome not named yet"
    question = row["question"] or row["condition"]
    yield escape(shorten(f"{row['time'][:16].replace('T', ' ')}  {row['rule']}  {question}", width))
    yield escape(
        f"  {row['side']} {compact(row['size'])} USDC of {outcome} at {row['price'][:5]}"
        f" · {row['category'] or 'category missing'}"
    )
    yield f"  {shorten(row['wallet'], 20)}  {_standing(row)}"
    for line in row["why"]:
        text = _criterion(line)
        if text is not None:
            yield shorten(f"  {text}", width)


def _standing(row: Document) -> str:
    rank = row["rank"]
    settled = (
        f"{percent(row['coverage'])} of {count(row['traded_conditions'])} settled"
        if row["resolved_conditions"]
        else "not enough data: nothing settled before that day"
    )
    if rank is None:
        return settled
    return f"{settled} · rank {rank['place']} of {rank['of']} by {rank['by']}"


def _criterion(line: Document) -> str | None:
    """What is worth a line: the rest is visible above."""
    if line["criterion"] != "skill":
        return None
    asked, found = line["asked"], line["found"]
    figure = found[asked["figure"]]
    bound = f"at least {asked['at_least']}" if "at_least" in asked else f"at most {asked['at_most']}"
    shown = NONE if figure is None else f"{figure:.3f}"
    return f"{asked['measure']} {shown} ({asked['figure']}, {count(found['markets'])} markets), asked {bound}"


def _several(number: int, noun: str) -> str:
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"
