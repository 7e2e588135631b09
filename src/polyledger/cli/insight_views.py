"""How a wallet trades, and what is still open, drawn for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from polyledger.cli.figures import NONE, amount, compact, count, percent, shorten, signed
from polyledger.cli.ranked_column import ranked_column

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

__all__ = ["FIGURES_OF_SKILL", "breakdown", "exposure", "skill_ranking"]

Document = Mapping[str, Any]
FIGURES_OF_SKILL = ("hit_rate", "profit_per_dollar", "closing_line", "brier")
_SHOWN_ROWS = 12
_ROOMY = 100  # columns from which a ranking by something else has room for every measure of skill


def breakdown(document: Document) -> Iterable[RenderableType]:
    """How the wallet trades, a row per category and one for the total."""
    from polyledger.cli.wallet_views import plain_table

    categories = sorted(document["categories"], key=lambda part: -Decimal(part["volume"]))
    rows = [(shorten(part["category"], 14), part) for part in categories]
    if len(rows) > 1:
        rows.append(("all", document))
    yield _conditions(rows)
    yield ""
    table = plain_table("how it trades", "ROI", "size", "early", "late", "won, 95 %", "right side", right=range(1, 7))
    for name, part in rows:
        hits = part["skill"]["hit_rate"]
        table.add_row(
            name,
            _signed_percent(part["roi"]),
            compact(part["position_size"]["median"]),
            percent(part["early_share"]),
            percent(part["late_share"]),
            _interval(part["win_rate_interval"]),
            NONE if hits["value"] is None else f"{percent(hits['value'])} of {count(hits['markets'])}",
        )
    yield table
    yield ""
    skills = plain_table("skill, 95 %", "per dollar", "closing line", "Brier", "if calibrated", right=range(1, 5))
    for name, part in rows:
        skill = part["skill"]
        skills.add_row(
            name,
            _measured(skill["profit_per_dollar"]),
            _measured(skill["closing_line"]),
            NONE if skill["brier"]["value"] is None else f"{skill['brier']['value']:.3f}",
            NONE if skill["brier"]["value"] is None else f"{skill['brier']['of_calibrated_prices']:.3f}",
        )
    yield skills


def _conditions(rows: Sequence[tuple[str, Document]]) -> Table:
    """How many conditions were traded, settled and won, on which side, and what a settled one brought on average."""
    from polyledger.cli.wallet_views import plain_table

    table = plain_table(
        "conditions", "traded", "settled", "won", "YES", "NO", "mostly", "per settled one", right=[1, 2, 3, 4, 5, 7]
    )  # fmt: skip
    for name, part in rows:
        counts = [f"{kind}_conditions" for kind in ("traded", "resolved", "winning", "yes", "no")]
        side = part["predominant_side"] or NONE
        table.add_row(name, *(count(part[kind]) for kind in counts), side, signed(part["average_pnl"]))
    return table


def skill_ranking(rows: Sequence[Document], width: int, ranked_by: str | None = None) -> Table:
    """Wallets with their skill, in the order given; shrunk figures are what a ranking goes by."""
    from polyledger.cli.wallet_views import plain_table

    ranked = ranked_column(ranked_by, ("realized_pnl", "coverage", "wallet", *FIGURES_OF_SKILL))
    headings = ["wallet", *([ranked.heading] if ranked else []), "realized P&L", "settled", "right side"]
    headings += ["per dollar", *([] if ranked and width < _ROOMY else ["closing", "Brier"])]
    room = width - sum(max(len(heading), 9) + 2 for heading in headings[1:])
    table = plain_table(*headings, right=range(1, len(headings)))
    for row in rows:
        skill = row["skill"]
        mark = " †" if row.get("rests_on_transfers") else ""
        cells = [
            shorten(row["wallet"], min(42, max(11, room)) - len(mark)) + mark,
            *([ranked.cell(row)] if ranked else []),
            signed(row["realized_pnl"]),
            percent(row["coverage"]["conditions"]),
            _shrunk(skill["hit_rate"], "{:.0%}"),
            _shrunk(skill["profit_per_dollar"], "{:+.1%}"),
            _shrunk(skill["closing_line"], "{:+.1%}"),
            _shrunk(skill["brier"], "{:.3f}"),
        ]
        table.add_row(*cells[: len(headings)])
    return table


def exposure(document: Document, width: int) -> Iterable[RenderableType]:
    """``polyledger.exposure/1``: what is at stake, by category, event and neg-risk group."""
    from rich.markup import escape

    from polyledger.cli.wallet_views import plain_table

    if not Decimal(document["most"]):
        yield "Nothing is open."
        return
    yield (
        f"{amount(document['at_stake'])} USDC are still at stake in {count(document['events'])} events: "
        f"open shares will pay between {amount(document['least'])} and {amount(document['most'])}. "
        f"The largest event holds {percent(document['largest_share'])} of it "
        f"(concentration {document['herfindahl']:.2f}, 1 is a single event)."
        if document["herfindahl"] is not None
        else f"Open shares will pay {amount(document['least'])} USDC, however their markets end."
    )
    for title, name, rows in (
        ("category", "category", document["by_category"]),
        ("event", "event", document["by_event"]),
        ("neg-risk group", "group", document["by_group"]),
    ):
        if not rows:
            continue
        yield ""
        table = plain_table(title, "at stake", "share", "least", "most", "open", right=range(1, 6))
        for row in rows[:_SHOWN_ROWS]:
            label = str(row.get("title") or row[name] or row.get("unit"))
            table.add_row(
                escape(shorten(label, max(14, width - 52))),
                amount(row["at_stake"]),
                percent(row["share"]),
                compact(row["least"]),
                compact(row["most"]),
                count(row["open"]),
            )
        yield table
        if len(rows) > _SHOWN_ROWS:
            yield f"… {count(len(rows) - _SHOWN_ROWS)} more; --json prints them all."


def _signed_percent(share: float | None) -> str:
    return NONE if share is None else f"{share:+.1%}".replace("%", " %")


def _interval(interval: Sequence[float] | None) -> str:
    return NONE if interval is None else f"{interval[0] * 100:.0f}…{interval[1] * 100:.0f} %"


def _measured(measure: Document) -> str:
    if measure["value"] is None:
        return NONE
    if measure["low"] is None:
        return _signed_percent(measure["value"])
    return f"{measure['value']:+.1%} ({measure['low']:+.0%}…{measure['high']:+.0%})"


def _shrunk(measure: Document, form: str) -> str:
    return NONE if measure["shrunk"] is None else form.format(measure["shrunk"])
