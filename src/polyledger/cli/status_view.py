"""What a run does, drawn for people: as a table, and as plain lines where there is no terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from polyledger.cli.figures import NONE, bar, compact, percent, ratio, seconds
from polyledger.cli.views import coverage_table
from polyledger.cli.wallet_views import plain_table

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

__all__ = ["status", "status_lines"]

Document = Mapping[str, Any]

COUNTS = {"found": "found", "open": "open", "not_found": "not found", "failed": "failed"}
MESSAGES_SHOWN = 5


def status(document: Document, width: int) -> Iterable[RenderableType]:
    """``polyledger.status/1``: the run, each source, coverage, the last messages, and the command that continues."""
    from rich.markup import escape
    from rich.text import Text

    run = document["run"]
    running = run["state"] == "running"
    by_whom = f" (process {run['pid']})" if run.get("pid") and running else ""
    since = f", started {run['started']}" if run.get("started") else ""
    yield f"[bold]{run['state']}[/]{by_whom}{since}"
    if document["sources"]:
        yield ""
        yield sources_table(document["sources"])
    if document.get("stages"):
        yield ""
        yield stages_table(document["stages"])
    trades = (document.get("coverage") or {}).get("trades")
    if trades and trades["total"]:
        yield ""
        yield coverage_table(document["coverage"], width)
    projected = _shares(document.get("projected"))
    if projected:
        yield f"[dim]at the end of the plan[/]: {projected}"
    messages = (document.get("messages") or [])[-MESSAGES_SHOWN:]
    if messages:
        yield ""
        for message in messages:
            yield escape(f"{_clock(message['at'])} {message['source']}: {message['message']}")
    if document.get("resume") and run["state"] not in {"running", "done"}:
        yield ""
        yield Text(f"to go on: {document['resume']}", no_wrap=True)


def sources_table(sources: Iterable[Document]) -> Table:
    """A line per source. Counts that no source has are left out."""
    lines = list(sources)
    counts = [key for key in COUNTS if any(line.get(key) for line in lines)]
    titles = ["source", "done", "", *(COUNTS[key] for key in counts), "per s", "left"]
    table = plain_table(*titles, right=(1, *range(3, len(titles))))
    for line in lines:
        held_back = " [yellow]held back[/]" if line.get("limited") else ""
        table.add_row(
            f"{line['source']}{held_back}",
            f"{_brief(line['done'])} of {_brief(line['total'])}",
            bar(ratio(line["done"], line["total"]), 10),
            *(_brief(line.get(key)) for key in counts),
            _rate(line.get("per_second")),
            seconds(line.get("eta_seconds")),
        )
    return table


def stages_table(stages: Iterable[Document]) -> Table:
    """What was planned and what came of it, a line per source and kind of question."""
    table = plain_table("planned → done", "", "requests", "time", "found", right=range(2, 5))
    lines: dict[tuple[str, str], list[Document]] = {}
    for stage in stages:
        lines.setdefault((stage["source"], stage["action"]), []).append(stage)
    for (source, action), parts in lines.items():
        begun = [part["actual"] for part in parts if part["actual"] is not None]
        planned = [part["expected"] for part in parts]
        table.add_row(
            source,
            action.replace("-", " "),
            f"{_brief(_sum(planned, 'requests'))} → {_brief(_sum(begun, 'requests'))}",
            f"{_time(planned)} → {_time(begun)}" if begun else "[dim]not needed[/]",
            _found(planned, begun),
        )
    return table


def _found(planned: Sequence[Document], begun: Sequence[Document]) -> str:
    """What was found beside what was expected, where anything could be: nobody knows what a scan or a list holds."""
    if not begun:
        return NONE
    expected = _sum(planned, "found")
    return f"{_brief(expected) if expected else NONE} → {_brief(_sum(begun, 'found'))}"


def _time(parts: Iterable[Document]) -> str:
    return seconds(_sum(parts, "seconds"))


def _sum(parts: Iterable[Document], key: str) -> Any:
    return sum(part[key] for part in parts)


def status_lines(document: Document) -> Iterable[str]:
    """The same as plain lines: the run, each source, coverage."""
    run = document["run"]
    by_whom = f", process {run['pid']}" if run.get("pid") else ""
    yield f"{run['state']}{by_whom}"
    for line in document["sources"]:
        parts = [f"{_brief(line['done'])} of {_brief(line['total'])}"]
        parts += [f"{_brief(line[key])} {COUNTS[key]}" for key in COUNTS if line.get(key)]
        if line.get("per_second"):
            parts.append(f"{_rate(line['per_second'])}/s")
        if line.get("eta_seconds"):
            parts.append(f"{seconds(line['eta_seconds'])} left")
        if line.get("limited"):
            parts.append("held back")
        yield f"{line['source']}: {', '.join(parts)}"
    covered, projected = _shares(document.get("coverage")), _shares(document.get("projected"))
    if covered:
        yield f"attributed: {covered}"
    if projected:
        yield f"at the end of the plan: {projected}"


def _shares(coverage: Document | None) -> str:
    """How much is attributed, in one line; empty where nothing is known."""
    trades = (coverage or {}).get("trades") or {}
    if not trades.get("total"):
        return ""
    keys = [key for key in ("condition", "market", "category", "resolution") if trades.get(key) is not None]
    return ", ".join(f"{key} {percent(ratio(trades[key], trades['total']))}" for key in keys)


def _brief(number: int | None) -> str:
    return NONE if number is None else compact(str(number))


def _rate(rate: float | None) -> str:
    if not rate:
        return NONE
    return compact(str(round(rate))) if rate >= 10 else f"{rate:.1f}"


def _clock(moment: str) -> str:
    return moment[11:19]
