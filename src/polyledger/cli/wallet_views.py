"""Wallets, one wallet, and tables of any query, drawn for the width of the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from polyledger.cli.figures import (
    NONE,
    amount,
    bar,
    common_scale,
    compact,
    count,
    percent,
    range_bar,
    shorten,
    signed,
)
from polyledger.cli.insight_views import FIGURES_OF_SKILL, breakdown, skill_ranking
from polyledger.cli.ranked_column import RankedColumn, ranked_column

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

__all__ = ["arrow_table", "distribution", "plain_table", "wallet", "wallets", "wallets_table"]

Document = Mapping[str, Any]

WIDE = 110  # columns from which low, high and volume have room beside the full address
MAX_ROWS_SHOWN = 1000
SHORT_CELL = 14


def plain_table(*columns: str, right: Iterable[int] = ()) -> Table:
    """A table without boxes; ``right`` numbers the columns to align right."""
    from rich.table import Table

    aligned = set(right)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for index, name in enumerate(columns):
        table.add_column(name, justify="right" if index in aligned else "left", no_wrap=True)
    return table


def wallets(
    document: Document, width: int, ranked_by: str | None = None, *, skill: bool = False
) -> Iterable[RenderableType]:
    """``polyledger.wallets/1``: a row per wallet; the range shows where its total must lie.

    What wallets are ranked by has a column, whatever else is shown; skill has a table of its own.
    """
    rows = document["wallets"]
    if not rows:
        yield "No wallet fits. Without a sync there is none: run polyledger sync first."
        return
    if "skill" in rows[0] and (skill or ranked_by in {None, *FIGURES_OF_SKILL}):
        yield skill_ranking(rows, width, ranked_by)
        yield "[dim]Skill is shrunk towards all wallets of the ledger; --json has values, intervals and markets.[/]"
    else:
        yield _ranking(rows, width, ranked_by)
    if any(row.get("rests_on_transfers") for row in rows):
        yield "[dim]† half of the profit or more is from shares received by transfer, not traded for.[/]"
    if document.get("method") == "average-cost":
        yield "[dim]Realized P&L by the average-cost method of the public P&L subgraph.[/]"


def _ranking(rows: Sequence[Document], width: int, ranked_by: str | None) -> Table:
    wide = ("volume", "win_rate") if width >= WIDE else ()
    ranked = ranked_column(ranked_by, ("realized_pnl", "coverage", "low", "high", "wallet", *wide))
    if ranked is None:
        return wallets_table(rows, width)
    return wallets_table(
        rows, width, address_width=min(42, max(14, width - 46 - max(len(ranked.heading), 9))), ranked=ranked
    )  # fmt: skip


def wallets_table(
    lines: Sequence[Document | None], width: int, *, address_width: int = 42, ranked: RankedColumn | None = None
) -> Table:
    """A table of W rows in the given order; None leaves rows out. Average-cost rows have no bounds, so no range.

    The bounds are numbers, and a picture on a scale shared by all rows where there is room for it. `ranked` is one more
    column.
    """
    rows = [row for row in lines if row is not None]
    bounded = not any("unrealized_cost" in row for row in rows)
    wide = width >= WIDE
    taken = 42 + (17 if wide else 0) + (2 + max(len(ranked.heading), 9) if ranked else 0)
    picture = max(0, min(24, width - address_width - taken)) if bounded else 0
    columns = ["settled", "least", "", "most"] if picture >= 8 else ["settled", "least … most"]
    headings = [
        "wallet",
        *([ranked.heading] if ranked else []),
        "realized P&L",
        *(columns if bounded else ["open at cost"]),
        *(["volume", "won"] * wide),
    ]
    table = plain_table(*headings, right=[i for i, name in enumerate(headings) if name not in {"wallet", ""}])
    scale = common_scale([(row["low"], row["high"]) for row in rows]) if bounded else (Decimal(0), Decimal(0))
    for row in lines:
        if row is None:
            table.add_row("[dim]…[/]")
            continue
        mark = " †" if row.get("rests_on_transfers") else ""
        cells = [shorten(row["wallet"], address_width - len(mark)) + mark]
        cells += [*([ranked.cell(row)] if ranked else []), signed(row["realized_pnl"])]
        if bounded:
            share = row["coverage"]["conditions"]
            cells.append(NONE if share is None else f"{int(Decimal(str(share)) * 100)} %")
            low, high = compact(row["low"]), compact(row["high"])
            cells += (
                [low, range_bar(row["low"], row["high"], scale, picture), high] if picture >= 8 else [_pair(low, high)]
            )
        else:
            cells.append(amount(row.get("unrealized_cost")))
        if wide:
            cells += [compact(row["volume"]), _won(row)]
        table.add_row(*cells)
    return table


def _pair(low: str, high: str) -> str:
    return low if low == high else f"{low}…{high}"


def wallet(document: Document, width: int) -> Iterable[RenderableType]:
    """``polyledger.wallet/1``: the figures, then categories, then positions."""
    yield f"[bold]{document['wallet']}[/]"
    if "sentence" in document:
        yield document["sentence"]
    yield ""
    yield _figures(document)
    categories = document.get("categories") or []
    if categories:
        yield ""
        yield _categories(categories)
    if "skill" in document:
        yield ""
        yield from breakdown(document)
    positions = [p for p in document.get("positions") or [] if "condition" in p]
    groups = [p for p in document.get("positions") or [] if "group" in p]
    if "series" in document:
        from polyledger.cli.series_views import series

        yield ""
        yield from series(document, width)
    if positions:
        yield ""
        yield _positions(positions, width)
    if groups:
        yield ""
        table = plain_table("neg-risk group", "cash of conversions", right=(1,))
        for group in groups:
            table.add_row(shorten(group["group"], 30), signed(group["cash_flow"]))
        yield table


def _figures(row: Document) -> Table:
    from rich.table import Table

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("realized P&L", signed(row["realized_pnl"]), "settled conditions: cash and settled shares")
    if "low" in row:
        table.add_row("at least", amount(row["low"]), "if everything open goes against this wallet")
        table.add_row("at most", amount(row["high"]), "if everything open goes its way")
    if "unrealized_cost" in row:
        table.add_row("open at cost", amount(row["unrealized_cost"]), "average-cost method")
    if "cash_flow" in row:
        table.add_row("cash flow", signed(row["cash_flow"]), "USDC in minus USDC out, all conditions")
        table.add_row("settled value", amount(row["settled_value"]), "shares still held in resolved conditions")
    if Decimal(row.get("transferred_value") or 0) != 0:
        table.add_row("transferred", amount(row["transferred_value"]), "received by plain transfers, not traded for")
    if row.get("mark_value") is not None:
        marked = row["mark_value"]
        table.add_row("open shares", amount(marked["value"]), f"estimate at last prices, {_age(marked)}; in no figure")
    table.add_row("volume", amount(row["volume"]), "")
    if "coverage" in row:
        share = row["coverage"]
        conditions = f"{count(row['resolved_conditions'])} of {count(row['traded_conditions'])} conditions resolved"
        table.add_row("coverage", _share(share["conditions"]), f"{conditions}; {_share(share['volume'])} of volume")
        table.add_row("won", _won(row), f"{count(row['winning_conditions'])} winning conditions")
        sides = f"YES in {count(row['yes_conditions'])}, NO in {count(row['no_conditions'])} conditions"
        table.add_row("side", row["predominant_side"] or NONE, sides)
    return table


def _age(marked: Document) -> str:
    seconds, lacking = marked["oldest_seconds"], marked["unpriced_positions"]
    if seconds is None:
        return "of which there are none"
    return f"up to {seconds / 86_400:.1f} days old" + (f", {count(lacking)} without one" if lacking else "")


def distribution(document: Document, width: int) -> Iterable[RenderableType]:
    """``polyledger.coverage-distribution/1``: wallets by the share of their conditions that is settled."""
    shown = document["wallets"] - document["nothing"]
    if not shown:
        yield "No wallet has a trade of its own."
        return
    table = plain_table("settled", "wallets", "", "realized P&L", "volume", right=(1, 3, 4))
    for part in document["conditions"]:
        low, high = round(part["from"] * 100), round(part["to"] * 100)
        table.add_row(
            f"{low} %" if low == high else f"{low} to {high} %",
            count(part["wallets"]),
            bar(part["wallets"] / shown, max(8, min(24, width - 52))),
            signed(part["realized_pnl"]),
            compact(part["volume"]),
        )
    yield table
    if document["quartiles"]["conditions"]:
        quarter, half, most = (percent(share) for share in document["quartiles"]["conditions"])
        yield f"Half of the wallets have at least {half} of their conditions settled (quartiles {quarter} and {most})."
    if document["nothing"]:
        yield f"[dim]{count(document['nothing'])} wallets have no trade of their own.[/]"


def _categories(categories: list[Document]) -> Table:
    table = plain_table("category", "realized P&L", "low", "high", "volume", "known", right=(1, 2, 3, 4, 5))
    for row in sorted(categories, key=lambda c: -Decimal(c["volume"])):
        table.add_row(
            shorten(row["category"], 20),
            signed(row["realized_pnl"]),
            compact(row.get("low")),
            compact(row.get("high")),
            compact(row["volume"]),
            _share(row["coverage"]["conditions"]) if "coverage" in row else NONE,
        )
    return table


def _positions(positions: list[Document], width: int) -> Table:
    from rich.markup import escape

    table = plain_table("position", "shares held", "P&L", "state", right=(1, 2))
    for row in positions:
        held = ", ".join(
            f"{compact(outcome['shares'])} {shorten(str(outcome['outcome'] or '?'), 8)}"
            for outcome in row["outcomes"]
            if Decimal(outcome["shares"]) != 0
        )
        result = signed(row["realized_pnl"])
        if row["realized_pnl"] is None:
            result = f"{compact(row['low'])} … {compact(row['high'])}"
        name = escape(shorten(row.get("question") or row["condition"], max(20, width - 54)))
        state = row["state"] if row["verdict"] == "proven" else f"{row['state']}, {row['verdict']}"
        table.add_row(name, escape(shorten(held or NONE, 20)), result, state)
    return table


def arrow_table(table: Any, width: int) -> Iterable[RenderableType]:
    """Rows of a ``pyarrow.Table``, at most a thousand; bytes as 0x hex, nulls as a dash.

    What does not fit side by side is shortened; what does not fit even then stands as one record beneath the other.
    """
    names = [str(name) for name in table.column_names]
    rows = [[_cell(value) for value in row.values()] for row in table.slice(0, MAX_ROWS_SHOWN).to_pylist()]
    short = [[shorten(cell, SHORT_CELL) for cell in row] for row in rows]
    fitting = next((lines for lines in (rows, short) if _natural_width(names, lines) <= width), None)
    if fitting is None:
        yield from _records(names, rows)
    else:
        numeric = ("int", "uint", "double", "float", "decimal")
        right = [i for i, field in enumerate(table.schema) if str(field.type).startswith(numeric)]
        yield _text_table(names, fitting, right)
    if table.num_rows > MAX_ROWS_SHOWN:
        yield f"… {count(table.num_rows - MAX_ROWS_SHOWN)} more rows; --json prints them all."


def _natural_width(names: list[str], rows: list[list[str]]) -> int:
    longest = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
    return sum(longest) + 2 * (len(names) - 1)


def _text_table(names: list[str], rows: list[list[str]], right: list[int]) -> Table:
    from rich.markup import escape

    drawn = plain_table(*map(escape, names), right=right)
    for row in rows:
        drawn.add_row(*map(escape, row))
    return drawn


def _records(names: list[str], rows: list[list[str]]) -> Iterable[RenderableType]:
    from rich.markup import escape
    from rich.table import Table

    for number, row in enumerate(rows, 1):
        yield f"[bold]row {count(number)}[/]"
        drawn = Table.grid(padding=(0, 2, 0, 0))
        drawn.add_column(style="dim", no_wrap=True)
        drawn.add_column(overflow="fold")
        for name, cell in zip(names, row, strict=True):
            drawn.add_row(escape(name), escape(cell))
        yield drawn


def _cell(value: object) -> str:
    if value is None:
        return NONE
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    return str(value)


def _share(share: float | None) -> str:
    return percent(share)


def _won(row: Document) -> str:
    return NONE if row.get("win_rate") is None else percent(row["win_rate"])
