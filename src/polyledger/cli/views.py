"""Coverage, checks and explanations, drawn for people."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from polyledger.cli.figures import NONE, amount, bar, compact, count, percent, ratio, seconds, shorten
from polyledger.cli.wallet_views import plain_table
from polyledger.ledger.check_titles import title

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

__all__ = ["coverage", "coverage_table", "explain", "export", "sync", "verify"]

Document = Mapping[str, Any]

ATTRIBUTIONS = ("condition", "market", "category", "resolution")
WITHOUT = ("pending", "conflict", "unfillable")
REASONS_SHOWN = 6
MARKS = {"ok": "[green]✓[/]", "failed": "[red]✗[/]", "warning": "[yellow]![/]", "not_applicable": "[dim]–[/]"}


def coverage(document: Document, width: int) -> Iterable[RenderableType]:
    """``polyledger.coverage/1``: what the trades are attributed to, by number and by volume."""
    trades, volume = document["trades"], document["volume"]
    if not trades["total"]:
        yield "There are no trades yet. Run polyledger sync or import."
        return
    yield coverage_table(document, width)
    scope = document.get("scope")
    if scope:
        from rich.markup import escape

        yield f"[yellow]not in this ledger[/]: {escape(scope['left_out'])}"
    without = [f"{count(trades[key])} {key}" for key in WITHOUT if trades[key]]
    if without:
        yield f"[yellow]without a condition[/]: {', '.join(without)}"
        if document.get("reasons"):
            yield _reasons(document["reasons"])
    if trades["duplicates"]:
        yield f"[dim]{count(trades['duplicates'])} imported rows say again what is counted already.[/]"
    unconfirmed = document.get("unconfirmed")
    if unconfirmed and unconfirmed["trades"]:
        yield (
            f"[yellow]unconfirmed[/]: {count(unconfirmed['trades'])} imported rows are no fill although every block of "
            "their time was scanned; they stay out of P&L."
        )
    conditions, positions, links = document["conditions"], document["positions"], document["links"]
    yield ""
    refuted = f", [red]{count(links['refuted'])} refuted[/]" if links["refuted"] else ""
    table = _pairs()
    table.add_row("trades", f"{count(trades['total'])}, {amount(volume['total'])} USDC")
    table.add_row("resolved conditions", f"{count(conditions['resolved'])} of {count(conditions['total'])}")
    table.add_row("resolved positions", f"{count(positions['resolved'])} of {count(positions['total'])}")
    table.add_row("token links", f"{count(links['proven'])} proven, {count(links['claimed'])} only claimed{refuted}")
    yield table
    if document.get("by"):
        yield ""
        yield _coverage_groups(document["by"])


def coverage_table(document: Document, width: int) -> Table:
    """The four attributions with bars."""
    trades, volume = document["trades"], document["volume"]
    table = plain_table("attributed to", "", "trades", "", "of volume", right=(2, 3, 4))
    room = max(10, min(32, width - 48))
    for key in ATTRIBUTIONS:
        share = ratio(trades[key], trades["total"])
        colour = "green" if share == 1 else "yellow"
        table.add_row(
            key,
            f"[{colour}]{bar(share, room)}[/]",
            percent(share),
            count(trades[key]),
            percent(ratio(volume[key], volume["total"])),
        )
    return table


def _reasons(reasons: list[Document]) -> Table:
    """Why trades have no condition: state, reason, how many and how much of the volume in USDC."""
    table = plain_table("", "why", "trades", "USDC", right=(2, 3))
    for row in reasons[:REASONS_SHOWN]:
        table.add_row(row["state"], shorten(row["reason"], 40), count(row["trades"]), compact(row["volume"]))
    rest = reasons[REASONS_SHOWN:]
    if rest:
        table.add_row("", f"{len(rest)} other reasons", count(sum(row["trades"] for row in rest)), "")
    return table


def _coverage_groups(groups: list[Document]) -> Table:
    table = plain_table("", "trades", *ATTRIBUTIONS, right=range(1, 6))
    for group in groups:
        trades = group["trades"]
        shares = [percent(ratio(trades[key], trades["total"])) for key in ATTRIBUTIONS]
        table.add_row(shorten(str(group["key"]), 24), count(trades["total"]), *shares)
    return table


def verify(document: Document, width: int) -> Iterable[RenderableType]:
    """``polyledger.verify/1``: the checks of the books as a list with ticks."""
    from rich.markup import escape

    yield checks_table(document["checks"])
    for check in document["checks"]:
        if check["status"] == "failed":
            yield ""
            yield f"[red bold]{check['name']}[/]: {escape(check.get('reason') or 'failed')}"
            for example in check.get("examples") or []:
                yield escape(f"  {shorten(_text(example), max(40, width - 2))}")
    yield ""
    if document["ok"]:
        yield "[green]The books balance.[/]"
    elif any(check["status"] == "failed" for check in document["checks"]):
        yield "[red]The books do not balance.[/] polyledger explain ID shows more of an example."
    else:
        yield "[yellow]Nothing could be checked yet.[/] Run polyledger sync first."


def checks_table(checks: list[Document]) -> Table:
    """A line per check: its mark, its name, how much was looked at."""
    from rich.table import Table

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(justify="right", no_wrap=True)
    for check in checks:
        name = title(check["name"])
        if check["status"] == "not_applicable":
            reason = check.get("reason")
            table.add_row(MARKS["not_applicable"], f"[dim]{name}{f': {reason}' if reason else ''}[/]", "[dim]n/a[/]")
        elif check["status"] == "failed":
            table.add_row(MARKS["failed"], name, f"[red]{count(check['failed'])} of {count(check['checked'])} fail[/]")
        else:
            table.add_row(MARKS["ok"], name, f"{count(check['checked'])} checked")
    return table


def explain(document: Document, width: int) -> Iterable[RenderableType]:
    """``polyledger.explain/1``: the value, why it is believed, and who said otherwise."""
    from rich.markup import escape

    subject = document["subject"]
    if isinstance(subject, Mapping):  # kind and id
        subject = " ".join(_text(part) for part in subject.values())
    yield f"[bold]{escape(_text(subject))}[/]"
    yield f"verdict: {document['verdict']}"
    yield ""
    yield from _value_lines(document["value"])
    for heading, claims in (("", document["claims"]), ("settlement", document.get("resolution_claims"))):
        if claims:
            yield f"[bold]{heading}[/]"
            yield _claims(claims, width)
    for aside in document.get("quarantines", ()):
        yield f"[yellow]set aside[/]: {escape(aside['source'])}: {escape(aside['pattern'])}"
    if document.get("proof"):
        yield ""
        yield "[bold]proof[/]"
        yield from _value_lines(document["proof"])


def _claims(claims: Iterable[Document], width: int) -> Table:
    from rich.markup import escape

    table = plain_table("", "source", "value", "observed")
    for claim in claims:
        lost = claim["refuted"] or claim.get("quarantined")
        mark = MARKS["ok"] if claim["won"] else MARKS["failed"] if lost else " "
        text = escape(shorten(_text(claim["value"]), max(20, width - 40)))
        table.add_row(mark, str(claim["source"]), text, _moment(claim.get("observed_at")))
    return table


def _moment(observed: str | int | None) -> str:
    """Chain claims carry the time of their block in seconds, others the time of the answer; to the second, in UTC."""
    if observed is None:
        return NONE
    if isinstance(observed, int):
        return datetime.fromtimestamp(observed, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return re.sub(r"\.\d+", "", observed)


def _value_lines(value: Any) -> Iterable[RenderableType]:
    from rich.markup import escape

    if not isinstance(value, Mapping):
        yield escape(f"value: {_text(value)}")
        return
    table = _pairs()
    for key, item in value.items():
        table.add_row(str(key).replace("_", " "), escape(_text(item)))
    yield table


def _pairs() -> Table:
    """Two columns without a heading: what, and its value."""
    from rich.table import Table

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def sync(document: Document, width: int) -> Iterable[RenderableType]:
    """``polyledger.sync/1``: what a run brought."""
    yield from fetched(document)
    if document["coverage"] and document["coverage"]["trades"]["total"]:
        yield ""
        yield coverage_table(document["coverage"], width)


def fetched(document: Document) -> Iterable[RenderableType]:
    """Blocks, requests by source, rows by table and seconds of a run, as a few lines."""
    requests = {source: n for source, n in document["requests"].items() if n}
    rows = {table: n for table, n in document["rows"].items() if n}
    table = _pairs()
    if document["from_block"] is not None and document["to_block"] is not None:
        blocks = document["to_block"] - document["from_block"] + 1
        table.add_row("blocks", f"{count(document['from_block'])} to {count(document['to_block'])} ({count(blocks)})")
    table.add_row("requests", f"{count(sum(requests.values()))}{_spread(requests)}")
    table.add_row("rows", f"{count(sum(rows.values()))}{_spread(rows)}")
    if document.get("signals"):
        table.add_row("signals", f"{count(document['signals']['fired'])} new")
    table.add_row("time", f"{seconds(document['seconds'])}, {document['state']}")
    yield table


def _spread(numbers: Mapping[str, int], shown: int = 4) -> str:
    """The largest of some numbers with their names, in brackets."""
    ordered = sorted(numbers.items(), key=lambda item: -item[1])
    parts = [f"{count(n)} {name.replace('_', ' ')}" for name, n in ordered[:shown]]
    if len(ordered) > shown:
        parts.append(f"{count(sum(n for _, n in ordered[shown:]))} more")
    return f" ({', '.join(parts)})" if parts else ""


def export(document: Document, width: int) -> Iterable[RenderableType]:  # noqa: ARG001  (one line)
    """``{"path", "rows"}``: where the rows went."""
    yield f"{count(document['rows'])} rows in {document['path']}"


def below(document: Document, attribution: str, wanted: Decimal) -> str | None:
    """A sentence when fewer trades, or less volume, than the wanted share have the attribution."""
    for measure in ("trades", "volume"):
        share = ratio(document[measure][attribution], document[measure]["total"])
        if share is None or share < wanted:
            return f"{percent(share)} of the {measure} have a {attribution}, below the {percent(wanted)} asked for"
    return None


def _text(value: Any) -> str:
    if value is None:
        return NONE
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(item) for item in value)
    return str(value)
