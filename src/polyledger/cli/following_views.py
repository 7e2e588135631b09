"""Signals, the watchlist and paper trading, drawn for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from polyledger.cli.figures import NONE, amount, compact, count, percent, shorten, signed
from polyledger.insight.signals.reasons import in_words

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["paper", "signals", "watchlist"]

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
        yield "No signals yet. Rules see new fills at each sync and import; --replay FROM TO runs them over history."
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
    return in_words(line) if line["criterion"] == "skill" else None


def _several(number: int, noun: str) -> str:
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def watchlist(document: Document, width: int) -> Iterable[RenderableType]:
    """``polyledger.watchlist/1``: how many entries are in which state, and what is known of each."""
    from rich.markup import escape

    states = ", ".join(f"{count(number)} {name}" for name, number in document["states"].items())
    yield f"{states}. {_several(document['changes'], 'change')} in watchlist.jsonl."
    if document["stopped"]:
        yield "Trading is stopped (paper --resume releases it)."
    for pair in document["overlaps"]:
        yield f"{pair['strategies'][0]} and {pair['strategies'][1]} overlap: both follow {', '.join(pair['rules'])}."
    for entry in document["entries"]:
        yield ""
        title = f"{entry['state']}  {entry['strategy']}  {entry['question'] or entry['condition']}"
        yield escape(shorten(title, width))
        missing = f" · missing: {', '.join(entry['missing'])}" if entry["missing"] else ""
        yield escape(
            f"  {entry['outcome'] or 'an outcome not named yet'} · {entry['category'] or 'category missing'}"
            f" · {_several(entry['signals'], 'signal')} by {_several(entry['wallets'], 'wallet')}"
            f", {count(entry['against'])} against{missing}"
        )
        yield f"  last {shorten(entry['wallet'], 20)}  {_trigger(entry)}"
        yield f"  {_course(entry)}"
        order = entry["order"]
        if order is not None:
            why = f": {order['reason']}" if order["reason"] else ""
            yield escape(shorten(f"  order to {order['side'].lower()} {order['state']}{why}", width))


def _trigger(entry: Document) -> str:
    settled = "nothing settled yet" if entry["coverage"] is None else f"{percent(entry['coverage'])} settled"
    rank = entry["rank"]
    return settled if rank is None else f"{settled} · rank {rank['place']} of {rank['of']} by {rank['by']}"


def _course(entry: Document) -> str:
    """When it was opened, entered and left."""
    parts = [
        f"{word} {entry[name][:16].replace('T', ' ')}"
        for word, name in (("opened", "opened_at"), ("entered", "entered_at"), ("exited", "exited_at"))
        if entry[name] is not None
    ]
    return ", ".join(parts) + (f" ({entry['reason']})" if entry["reason"] else "")


def paper(document: Document, width: int) -> Iterable[RenderableType]:
    """``polyledger.paper/1``: profit per strategy and category, and the orders."""
    from polyledger.cli.wallet_views import plain_table

    yield "On paper: filled from recorded trades, with fees and limits; no order has left this machine."
    if document["stopped"]:
        yield "Stopped: no orders are placed (paper --resume releases the kill switch)."
    if not document["orders"]:
        yield "No orders yet."
        return
    yield f"At stake now: {amount(document['at_stake'])} USDC."
    yield ""
    table = plain_table(
        "strategy", "category", "realized P&L", "settled", "least … most", "volume", right=range(2, 6)
    )  # fmt: skip
    for row in document["strategies"]:
        for part in [*row["categories"], {**row, "category": "all"}]:
            table.add_row(
                shorten(row["strategy"], 18),
                shorten(part["category"], 14),
                signed(part["realized_pnl"]),
                percent(part["coverage"]["conditions"]),
                f"{compact(part['low'])}…{compact(part['high'])}",
                compact(part["volume"]),
            )
    yield table
    yield ""
    orders = plain_table("order", "market", "category", "USDC", "fee", "state", right=range(3, 5))
    for order in document["orders"][-20:]:
        orders.add_row(
            f"{order['time'][:10]} {order['side']}",
            shorten(order["question"] or order["condition"], max(14, width - 52)),
            shorten(order["category"] or NONE, 12),
            compact(order["collateral"]),
            amount(order["fee"]),
            order["state"],
        )
    yield orders
    if len(document["orders"]) > 20:
        yield f"… {count(len(document['orders']) - 20)} older; --json prints them all."
