"""The command ``import`` and how its outcome is shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from polyledger.cli.figures import count, seconds, shorten
from polyledger.cli.following import could_not_follow
from polyledger.cli.progress import ProgressReport
from polyledger.cli.session import Session
from polyledger.cli.wallet_views import plain_table
from polyledger.domain.errors import UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["import_files"]

Given = Annotated[Session, Parameter(parse=False)]
STATES = {"imported": "imported", "already_imported": "known", "failed": "[red]failed[/]"}


def import_files(
    files: Annotated[list[Path], Parameter(help="Parquet, CSV or JSON lines, plain, .gz or .zst.")],
    *,
    kind: Annotated[
        Literal["trades", "logs", "mapping"],
        Parameter(
            name="--as",
            help="What the files hold: trades; raw logs of the chain (with or without a file of block headers); or a "
            "mapping of tokens, conditions and markets.",
        ),
    ] = "trades",
    map_: Annotated[
        list[str] | None,
        Parameter(
            name="--map",
            negative="",
            consume_multiple=False,
            help="THEIRS=OURS for a column whose name is not recognised, such as ticket=transaction; "
            "THEIRS=- leaves a column out. May be given several times.",
        ),
    ] = None,
    from_block: Annotated[
        int | None,
        Parameter(name="--from", help="With --as logs: the first block that the files hold completely."),
    ] = None,
    to_block: Annotated[
        int | None, Parameter(name="--to", help="With --as logs: the last block that the files hold completely.")
    ] = None,
    session: Given,
) -> int:
    """Take in what somebody already has. The files are not changed; the same content twice changes nothing."""
    columns = parse_map(map_ or [])
    if kind != "logs" and (from_block is not None or to_block is not None):
        raise UsageError("--from and --to say which blocks files of logs hold", "Add --as logs, or leave them out")
    with session.open() as workspace, ProgressReport() as progress:
        session.watch(progress)
        if kind == "logs":
            document = workspace.import_logs(
                files, from_block=from_block, to_block=to_block, columns=columns, progress=progress
            )
        else:
            take_in = {"trades": workspace.import_trades, "mapping": workspace.import_mapping}[kind]
            document = take_in(files, columns=columns, progress=progress)
    session.emit(document, imported)
    if could_not_follow(session, document):
        return 2
    return 0 if document["state"] == "done" else 1


def parse_map(pairs: list[str]) -> dict[str, str]:
    """``["theirs=ours"]`` as theirs → ours. Raises UsageError."""
    columns = {}
    for pair in pairs:
        theirs, sign, ours = pair.rpartition("=")
        if not sign or not theirs or not ours:
            raise UsageError(f"--map {pair} is not THEIRS=OURS", "For example: --map ticket=transaction")
        columns[theirs] = ours
    return columns


def imported(document: Mapping[str, Any], width: int) -> Iterable[RenderableType]:
    """``polyledger.import/1``: a line per file, and below it what to know about it."""
    from rich.markup import escape

    table = plain_table("file", "", "rows", "imported", "rejected", "repeats", "on chain", "time", right=range(2, 8))
    for file in document["files"]:
        name = escape(shorten(Path(file["path"]).name, max(12, width - 66)))
        figures = [count(file[key]) for key in ("rows", "imported", "rejected", "repeats", "duplicates")]
        table.add_row(name, STATES[file["state"]], *figures, seconds(file["seconds"]))
    yield table
    if document["as"] == "logs":
        yield from _logs(document)
    for file in document["files"]:
        if file["message"] or file["columns"] or file["rejects"]:
            yield ""
            yield f"[bold]{escape(Path(file['path']).name)}[/]"
        if file["message"]:
            yield escape(file["message"])
        if file["columns"]:
            yield escape("read: " + ", ".join(_pair(ours, theirs) for ours, theirs in file["columns"].items()))
        if file["unused"]:
            yield escape("not read: " + ", ".join(file["unused"]))
        if file["claims"]:
            yield ", ".join(f"{count(number)} {name}" for name, number in file["claims"].items()) + " (claims)"
        yield from (escape(f"quarantined: {pattern}") for pattern in file["patterns"])
        if file["rejects"] and file["state"] == "imported":
            yield escape(f"{count(file['rejected'])} rows were not imported and are in {file['rejects']}")
            yield from (escape(f"  {shorten(reason, max(40, width - 2))}") for reason in file["reasons"])
    fired = document.get("signals", {}).get("fired")
    if fired:
        yield f"New signals: {count(fired)}; polyledger signals shows them"


def _logs(document: Mapping[str, Any]) -> Iterable[RenderableType]:
    blocks = f"blocks {count(document['from_block'])} to {count(document['to_block'])}"
    yield f"{count(document['logs'])} logs with {count(document['fills'])} fills are new; {blocks} count as scanned"
    if document["unbalanced"]:
        number = count(document["unbalanced"])
        yield f"[yellow]{number} transactions do not balance[/]: are all their logs in the files?"
    for first, last in document["taken_back"]:
        yield f"blocks {count(first)} to {count(last)} depend on what has come in: run sync to fetch them again"


def _pair(ours: str, theirs: str) -> str:
    return ours if ours == theirs else f"{theirs} as {ours}"
