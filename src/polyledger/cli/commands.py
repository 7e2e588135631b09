"""One function per command. Each calls the Workspace and hands its document to a view."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from polyledger.cli.following import could_not_follow, paper, signals, watchlist
from polyledger.cli.import_command import import_files
from polyledger.cli.period_flags import AsOf
from polyledger.cli.planning import Budget, OnlyNames, gaps, plan
from polyledger.cli.progress import ProgressReport
from polyledger.cli.report_command import finalize, report
from polyledger.cli.scope_flags import ScopeFlags, scope_of
from polyledger.cli.session import Session, exit_code_of_state, program_name
from polyledger.cli.wallet_commands import categories, exposure, wallet, wallets
from polyledger.domain.durations import seconds_of
from polyledger.domain.errors import PolyledgerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["COMMANDS", "interrupted"]

Given = Annotated[Session, Parameter(parse=False)]

WHAT_TO_EXPORT = Literal[
    "fills",
    "journal",
    "positions",
    "wallets",
    "conditions",
    "markets",
    "mapping",
    "markets-dim",
    "events-dim",
    "resolutions",
    "wallet-category-breakdown",
    "enriched-trades",
    "missing-trades",
]


def version(*, session: Given) -> None:
    """Show the version."""
    from polyledger.domain.version import __version__

    if session.as_json:
        session.print_json({"schema": "polyledger.version/1", "version": __version__})
    else:
        print(f"polyledger {__version__}")


def init(*, session: Given) -> None:
    """Make the workspace folder with its polyledger.toml, every setting shown with its default."""
    from polyledger.workspace import Workspace

    session.refuse_json()
    Workspace.init(session.workspace)
    print(f"{session.workspace} is ready. Next: {session.again('doctor')}, then {session.again('sync')}")


def doctor(
    *,
    probe: Annotated[
        bool,
        Parameter(
            negative="", help="Measure what each source can do now, some 20 requests each; plans reckon with it."
        ),
    ] = False,
    session: Given,
) -> int:
    """Examine Python, the engine, disk, memory and every endpoint; each finding comes with its fix."""
    from polyledger.cli import doctor_view
    from polyledger.config import load_settings
    from polyledger.sync.doctor import examine
    from polyledger.workspace import Workspace

    settings = load_settings(session.workspace)
    document = examine(session.workspace, settings)
    if probe:
        document |= Workspace(session.workspace, settings).probe()
    session.emit(document, doctor_view.doctor)
    return 0 if document["ok"] else 1


def demo(
    *,
    keep: Annotated[
        Path | None, Parameter(help="Build the workspace in this new folder instead of a temporary one.")
    ] = None,
    session: Given,
) -> int:
    """Show the whole job on a recorded world: fetch, check the books, rank the wallets. Needs no network."""
    from polyledger.cli.demo import run_demo

    return run_demo(session, keep)


def sync(
    *,
    from_block: Annotated[int | None, Parameter(name=["--from-block", "--from"], help="First block to scan.")] = None,
    to_block: Annotated[
        str | None, Parameter(name=["--to-block", "--to"], help="Last block: a number, finalized or latest.")
    ] = None,
    rpc_url: Annotated[
        str | None, Parameter(name=["--rpc-url", "--rpc"], help="JSON-RPC endpoints; a comma list fails over.")
    ] = None,
    budget: Budget = None,
    only: OnlyNames = None,
    part: ScopeFlags | None = None,
    session: Given,
) -> int:
    """Fetch what is missing, and nothing else. Stopping is safe; the same command goes on where it was."""
    from polyledger.cli import views

    seconds = None if budget is None else seconds_of(budget)
    part = part or ScopeFlags()
    scope = part.scope()
    session.arguments = part.words()
    overrides = {"chain": {"from_block": from_block, "to_block": to_block, "rpc_url": rpc_url}}
    with session.open(overrides) as workspace, ProgressReport() as progress:
        session.watch(progress)
        document = workspace.sync(progress=progress, budget=seconds, only=only or (), scope=scope)
    session.emit(document, views.sync)
    if could_not_follow(session, document):
        return UsageError.exit_code
    if document["state"] != "done":
        session.say(f"Stopped early; what was fetched is saved. To go on: {session.again('sync')}")
    return exit_code_of_state(document["state"])


def status(*, session: Given) -> None:
    """Show what a run is doing, what is done and what is open, for each source."""
    from polyledger.cli import status_view

    with session.open() as workspace:
        session.emit(workspace.status(), status_view.status)


def watch(
    *,
    every: Annotated[float, Parameter(help="Seconds between looks.")] = 1.0,
    once: Annotated[bool, Parameter(negative="", show_default=False, help="Look once and end.")] = False,
    session: Given,
) -> int:
    """Watch a run until it ends; with --json a document per line. Stopping this leaves the run alone."""
    from polyledger.cli.watch import watch_run

    if every <= 0:
        raise UsageError(f"--every {every} is no time to wait", "Give seconds, such as 1 or 0.5")

    def ask() -> dict[str, Any]:
        with session.open() as workspace:  # anew each time: an open ledger would keep a run from starting
            return workspace.status()

    return watch_run(session, ask, every=every, once=once)


def coverage(
    *,
    by: Annotated[
        Literal["month", "source", "category", "wallet"] | None, Parameter(help="One more line for each of these.")
    ] = None,
    fail_under: Annotated[
        float | None, Parameter(help="Exit with 3 when a smaller share (0 to 1) of trades or volume is attributed.")
    ] = None,
    of: Annotated[
        Literal["condition", "market", "category", "resolution"], Parameter(help="What --fail-under asks for.")
    ] = "market",
    as_of: AsOf = None,
    part: ScopeFlags | None = None,
    session: Given,
) -> int:
    """Show how much of all trades, by number and by volume, is attributed and resolved."""
    from polyledger.cli import views

    if fail_under is not None and not 0 <= fail_under <= 1:
        raise UsageError(f"--fail-under {fail_under} is not a share", "Give a number from 0 to 1, such as 0.95")
    with session.open() as workspace:
        document = workspace.coverage(by=by, scope=scope_of(part), as_of=as_of).document
    session.emit(document, views.coverage)
    missed = None if fail_under is None else views.below(document, of, Decimal(str(fail_under)))
    if missed:
        session.say(f"{missed}.")
        return 3
    return 0


def verify(
    *,
    require_complete: Annotated[
        bool, Parameter(negative="", show_default=False, help="Also fail when a check cannot be applied.")
    ] = False,
    against: Annotated[
        Path | None, Parameter(help="Compare with somebody's figures of wallets, or mapping: Parquet, CSV or JSONL.")
    ] = None,
    tolerance: Annotated[str, Parameter(help="With --against: USDC by which amounts may differ.")] = "0.000001",
    session: Given,
) -> int:
    """Prove that the books balance. Exit code 1 when they do not.

    With --against, compare with figures or a mapping that somebody already has instead, and say why what differs does.
    Exit code 1 when something differs.
    """
    from polyledger.cli import against_view, views

    if against is not None:
        with session.open() as workspace:
            compared = workspace.verify_against(against, tolerance=tolerance).document
        session.emit(compared, against_view.verify_against)
        return 0 if compared["ok"] else 1
    with session.open() as workspace:
        document = workspace.verify().document
    session.emit(document, views.verify)
    incomplete = [check["name"] for check in document["checks"] if check["status"] == "not_applicable"]
    if require_complete and incomplete:
        session.say(f"Not applicable here, and --require-complete asks for all: {', '.join(incomplete)}.")
    return 1 if not document["ok"] or (require_complete and incomplete) else 0


def explain(
    identifier: Annotated[str, Parameter(help="A token, condition, market, transaction or fill id.")], *, session: Given
) -> None:
    """Show why a value is what it is: the proof, the claims, and those that lost."""
    from polyledger.cli import views

    with session.open() as workspace:
        session.emit(workspace.explain(identifier).document, views.explain)


def conflicts(
    *,
    limit: Annotated[int | None, Parameter(help="At most this many; 20 unless told, all with --json.")] = None,
    session: Given,
) -> None:
    """Show where sources contradict each other or a proof, what hangs on it, and which answers were set aside."""
    from polyledger.cli import claim_views

    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit} shows nothing", "Give a number from 1")
    with session.open() as workspace:
        document = workspace.conflicts(limit if limit is not None or session.as_json else 20).document
    session.emit(document, claim_views.conflicts)


def export(
    what: WHAT_TO_EXPORT,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"], help="The file to write.")],
    format: Annotated[
        Literal["parquet", "csv", "jsonl", "json"] | None, Parameter(help="Unless told, by the ending of the file.")
    ] = None,
    force: Annotated[bool, Parameter(negative="", show_default=False, help="Replace a file that exists.")] = False,
    file: Annotated[
        Path | None, Parameter(help="With enriched-trades: an imported file, whose own columns come first.")
    ] = None,
    session: Given,
) -> None:
    """Write what the ledger holds to a file, sorted by its ids; the file appears only when it is complete.

    Fills, journal, positions, wallets, conditions and markets are views of the ledger, amounts in millionths. The
    others have the shapes that projects around Polymarket work with, amounts in USDC.
    """
    from polyledger.cli import views

    with session.open() as workspace:
        document = workspace.export(what, out, format=format, force=force, file=file)
    if "left_out" in document:
        session.say(f"{document['left_out']:,} {document['lacking']} are left out.")
    session.emit({"schema": "polyledger.export/1", **document, "path": str(document["path"])}, views.export)


def sql(query: Annotated[str, Parameter(help="One SELECT over the documented views.")], *, session: Given) -> None:
    """Run a read-only query over the views; amounts are integers in millionths."""
    from polyledger.cli import wallet_views

    with session.open() as workspace:
        result = workspace.sql(query)
    if session.as_json:
        session.print_json(result.document)
        return
    session.emit({}, lambda _, width: wallet_views.arrow_table(result.arrow(), width))


def replica(
    *,
    port: Annotated[int, Parameter(help="The port on the loopback interface; 0 takes a free one.")] = 0,
    world: Annotated[Path | None, Parameter(help="A recorded world, NAME_logs.json.gz; else the one shipped.")] = None,
    faults: Annotated[Path | None, Parameter(help="A script of faults to play, TOML or JSON.")] = None,
    session: Given,
) -> None:
    """Serve a recorded world as JSON-RPC, Gamma, CLOB, Data API and subgraph until stopped."""
    from polyledger.replica import serve_forever

    session.refuse_json()
    if not 0 <= port <= 65535:
        raise UsageError(f"--port {port} is not a port", "Give a number from 0 to 65535")
    try:
        serve_forever(world, port, faults)
    except SystemExit as error:  # how the server says that it could not listen; it has logged the reason
        raise PolyledgerError(
            f"The replica cannot listen on port {port}", "Choose another --port; without one a free port is taken"
        ) from error


def interrupted(session: Session) -> str:
    """The last line of a command that was stopped: what is saved and which command goes on."""
    if session.command == "demo":
        return f"Interrupted; what was fetched is in {session.workspace}. To start again: {program_name()} demo"
    if session.command == "watch":
        return f"Stopped watching; the run goes on. To watch it again: {session.again('watch')}"
    if session.command == "import":
        return f"Interrupted; every file that was finished is imported, and nothing of others. {_run_again(session)}"
    if session.command == "signals":
        return f"Interrupted; what was found is saved, and is not found twice. To go on: {session.again('signals')}"
    if session.command != "sync":
        return f"Interrupted; the workspace is unchanged. To run it again: {session.again(session.command)}"
    event = session.progress.last if session.progress is not None else None
    seen = ""
    if event is not None and event.get("done") is not None:
        whole = f" of {event['total']:,}" if event.get("total") is not None else ""
        seen = f" ({event['stage']}: {event['done']:,}{whole} {event.get('unit') or ''}".rstrip() + ")"
    return f"Interrupted; every batch that was finished is saved{seen}. To go on: {session.again('sync')}"


def _run_again(session: Session) -> str:
    return f"To go on, give the same files again: {session.again('import FILE…')}"


COMMANDS: dict[str, Callable[..., Any]] = {
    "demo": demo,
    "init": init,
    "doctor": doctor,
    "import": import_files,
    "gaps": gaps,
    "plan": plan,
    "sync": sync,
    "status": status,
    "watch": watch,
    "verify": verify,
    "conflicts": conflicts,
    "explain": explain,
    "coverage": coverage,
    "wallets": wallets,
    "wallet": wallet,
    "categories": categories,
    "exposure": exposure,
    "report": report,
    "signals": signals,
    "watchlist": watchlist,
    "paper": paper,
    "export": export,
    "sql": sql,
    "finalize": finalize,
    "replica": replica,
    "version": version,
}
