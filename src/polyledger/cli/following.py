"""The commands that follow what is found: signals, the watchlist, paper trading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from polyledger.cli.progress import ProgressReport
from polyledger.cli.session import Session
from polyledger.domain.errors import UsageError

__all__ = ["could_not_follow", "paper", "signals", "watchlist"]

Given = Annotated[Session, Parameter(parse=False)]


def could_not_follow(session: Session, document: Mapping[str, Any]) -> bool:
    """Whether a run was saved but its trades not looked at, because of a mistake in a file of rules; says so."""
    problem = document.get("signals", {}).get("problem")
    if problem:
        session.say(f"What was fetched is saved, but not everything that follows was done. {problem}")
    return bool(problem)


def signals(
    *,
    replay: Annotated[
        tuple[str, str] | None,
        Parameter(help="Run the rules over history first, from one date (or time, UTC) to another, both included."),
    ] = None,
    rule: Annotated[str | None, Parameter(help="Only signals of this rule.")] = None,
    limit: Annotated[int | None, Parameter(help="At most this many; 20 unless told, all with --json.")] = None,
    session: Given,
) -> None:
    """Show what the rules in signals.toml have found in trades, newest first, and why each fired.

    Rules are evaluated on new fills at the end of each sync and import of logs, and over history with --replay.
    """
    from polyledger.cli import following_views

    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit} shows nothing", "Give a number from 1")
    shown = limit if limit is not None or session.as_json else 20
    with session.open() as workspace:
        found = None
        if replay is not None:
            with ProgressReport() as progress:
                session.watch(progress)
                found = workspace.replay_signals(*replay, progress=progress)
        document = workspace.signals(rule=rule, limit=shown).document
    session.emit(document if found is None else {**document, "replay": found}, following_views.signals)


def watchlist(
    *,
    strategy: Annotated[str | None, Parameter(help="Only entries of this strategy.")] = None,
    state: Annotated[
        Literal["watching", "escalate", "entered", "exited"] | None, Parameter(help="Only entries in this state.")
    ] = None,
    limit: Annotated[int | None, Parameter(help="At most this many; 20 unless told, all with --json.")] = None,
    session: Given,
) -> None:
    """Show what the strategies in strategies.toml made of signals: one entry per strategy and market.

    Entries change at the end of each sync, import of logs and signals --replay; watchlist.jsonl holds every change.
    """
    from polyledger.cli import following_views

    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit} shows nothing", "Give a number from 1")
    with session.open() as workspace:
        document = workspace.watchlist(strategy=strategy, state=state).document
    shown = limit if limit is not None or session.as_json else 20
    session.emit({**document, "entries": document["entries"][:shown]}, following_views.watchlist)


def paper(
    *,
    stop: Annotated[
        bool, Parameter(negative="", show_default=False, help="The kill switch: no more orders, of any broker.")
    ] = False,
    resume: Annotated[bool, Parameter(negative="", show_default=False, help="Release the kill switch.")] = False,
    session: Given,
) -> None:
    """Show what strategies traded on paper, and what came of it by the rules of the ledger."""
    from polyledger.cli import following_views

    if stop and resume:
        raise UsageError("--stop and --resume are opposites", "Give one of them")
    with session.open() as workspace:
        if stop or resume:
            workspace.stop_trading(stop=stop)
            session.say("Stopped: no order is placed, and those that work are cancelled at the next look." if stop
                        else "Released: orders are placed again.")  # fmt: skip
            return
        document = workspace.paper().document
    session.emit(document, following_views.paper)
