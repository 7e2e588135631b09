"""The commands that make something to show to others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from polyledger.cli.progress import ProgressReport
from polyledger.cli.session import Session

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["finalize", "report"]

Given = Annotated[Session, Parameter(parse=False)]


def report(
    *,
    out: Annotated[
        Path | None,
        Parameter(name=["--out", "-o"], help="The folder to write to; reports/ in the workspace unless told."),
    ] = None,
    force: Annotated[
        bool, Parameter(negative="", show_default=False, help="With --out: replace a report that is there.")
    ] = False,
    session: Given,
) -> None:
    """Make one HTML page, and the same as JSON: coverage, gaps, conflicts, checks, profit, wallets, what is open.

    The page needs nothing else: no network, no script. It follows a dark screen, and prints.
    """
    from polyledger.report.files import FOLDER, require_free, write_report

    folder = out if out is not None else session.workspace / FOLDER
    replace = force or out is None
    require_free(folder, force=replace)
    with session.open() as workspace, ProgressReport() as progress:
        session.watch(progress)
        document = workspace.report(progress=progress).document
    written = write_report(document, folder, force=replace)
    if session.as_json:
        session.print_json(document)
        session.say(f"Written to {written['page']} and {written['data']}")
        return
    session.emit(document, lambda data, _width: _summary(data, written))


def finalize(
    *,
    force: Annotated[
        bool,
        Parameter(negative="", show_default=False, help="Go on although work is not finished; the result says so."),
    ] = False,
    session: Given,
) -> None:
    """End the work: check that all is done, reconcile, verify, and write the standard tables and the report.

    They appear together in reports/final of the workspace, in the place of earlier ones, or not at all. Refuses while
    required work is not finished (exit code 4), a process holds the ledger (75), or a check of the books fails (1).
    """
    from polyledger.report import report_files

    with session.open() as workspace, ProgressReport() as progress:
        session.watch(progress)
        document = workspace.finalize(report=report_files, force=force, progress=progress)
    session.emit(document, lambda data, _width: _finalized(data, session.workspace / "reports" / "final"))


def _finalized(document: Mapping[str, Any], folder: Path) -> Iterable[RenderableType]:
    from rich.markup import escape
    from rich.text import Text

    from polyledger.cli.figures import count, percent, ratio
    from polyledger.cli.wallet_views import plain_table

    trades, checks = document["coverage"]["trades"], document["checks"]
    table = plain_table("file", "rows", "bytes", right=(1, 2))
    for entry in document["files"]:
        table.add_row(entry["file"], count(entry["rows"]), count(entry["bytes"]))
    yield table
    for entry in document["files"]:
        if entry.get("left_out"):
            yield f"[dim]{entry['file']}: {count(entry['left_out'])} {escape(entry['lacking'])} are left out[/]"
    yield (
        f"{count(trades['total'])} trades, {percent(ratio(trades['market'], trades['total']))} with a market, "
        f"{percent(ratio(trades['resolution'], trades['total']))} settled; {checks['ok']} checks hold, "
        f"{checks['not_applicable']} do not apply."
    )
    for work in document["unfinished"]:
        yield f"[yellow]not finished[/]: {escape(work['what'])}: {escape(work['detail'])}"
    yield Text(str(folder), overflow="ignore", no_wrap=True)


def _summary(document: Mapping[str, Any], written: Mapping[str, Path]) -> Iterable[RenderableType]:
    from rich.markup import escape
    from rich.text import Text

    from polyledger.cli.figures import count, percent, ratio

    trades, checks = document["coverage"]["trades"], document["verify"]["checks"]
    held = sum(check["status"] == "ok" for check in checks)
    failed = sum(check["status"] == "failed" for check in checks)
    yield (
        f"{count(trades['total'])} trades, {percent(ratio(trades['market'], trades['total']))} with a market, "
        f"{percent(ratio(trades['resolution'], trades['total']))} settled; {held} checks hold, {failed} fail."
    )
    for work in document["unfinished"]:
        yield f"[yellow]not finished[/]: {escape(work['what'])}: {escape(work['detail'])}"
    for path in written.values():
        yield Text(str(path), overflow="ignore", no_wrap=True)
