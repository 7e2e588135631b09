"""What ``polyledger doctor`` found, drawn as a list with the fix beneath each finding that has one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any

from polyledger.cli.views import MARKS

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["doctor"]


def doctor(document: Mapping[str, Any], width: int) -> Iterable[RenderableType]:  # noqa: ARG001  (rich fits it)
    """``polyledger.doctor/1``, grouped by what was examined."""
    from rich.markup import escape
    from rich.table import Table

    for subject, findings in groupby(document["findings"], key=lambda finding: finding["subject"]):
        yield f"[bold]{escape(str(subject))}[/]"
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for finding in findings:
            table.add_row(f" {MARKS[finding['status']]}", finding["name"], escape(str(finding["value"])))
            if finding["fix"]:
                table.add_row("", "", f"[yellow]→[/] {escape(str(finding['fix']))}")
        yield table
    if "probe" in document:
        yield from _probe(document["probe"], stored=document["stored"])
    failed = sum(finding["status"] == "failed" for finding in document["findings"])
    yield ""
    if document["ok"]:
        yield "[green]Ready to sync.[/]"
    else:
        yield f"[red]{failed} finding{'s' if failed > 1 else ''} must be fixed before a sync.[/]"


def _probe(probe: Mapping[str, Any], *, stored: bool) -> Iterable[RenderableType]:
    """What each source can do now: one line for a kind of look-up or a list."""
    from rich.markup import escape
    from rich.table import Table

    yield ""
    table = Table(box=None, padding=(0, 2, 0, 0), title="What the sources can do now", title_justify="left")
    for name in ("source", "asked for", "at once", "found", "seconds"):
        table.add_column(name, justify="left" if name in ("source", "asked for") else "right", no_wrap=True)
    notes: list[str] = []
    for source in probe["sources"]:
        name = source["source"]
        for step in source["lookups"]:
            hits = f"{step['found']}/{step['asked']}" if step["ok"] else "[red]failed[/]"
            table.add_row(name, step["kind"], f"{step['batch']:,}", hits, _seconds(step))
        for step in source["walks"]:
            table.add_row(
                name,
                f"list of {step['name']}",
                f"{step['page']:,}",
                "" if step["ok"] else "[red]failed[/]",
                _seconds(step),
            )
        fresh = source["freshness"]
        if fresh:
            notes.append(f"{name} is at block {fresh['block']:,}, {_age(fresh['lag_seconds'])} old")
        errors = dict.fromkeys(step["error"] for step in (*source["lookups"], *source["walks"]) if step["error"])
        notes += [f"{name}: {error}" for error in errors] or ([f"{name}: {source['error']}"] if source["error"] else [])
    yield table
    for note in notes:
        yield escape(note)
    if stored:
        yield "Kept: the next plan reckons with it."
    else:
        yield "[yellow]Not kept: there is no ledger yet, or another process writes it.[/]"


def _seconds(step: Mapping[str, Any]) -> str:
    return "–" if step["seconds"] is None else f"{step['seconds']:.3f}"


def _age(seconds: int) -> str:
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size:,} {unit}"
    return f"{seconds} seconds"
