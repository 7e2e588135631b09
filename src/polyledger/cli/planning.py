"""The commands that look ahead: what is missing, and what closing it costs."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from polyledger.cli.scope_flags import ScopeFlags, scope_of
from polyledger.cli.session import Session
from polyledger.domain.durations import seconds_of
from polyledger.domain.errors import UsageError

__all__ = ["Budget", "OnlyNames", "gaps", "plan"]

Given = Annotated[Session, Parameter(parse=False)]
Budget = Annotated[str | None, Parameter(help="Time to keep to, such as 90s, 2m or 6h.")]
OnlyNames = Annotated[
    list[str] | None,
    Parameter(
        consume_multiple=True,
        negative="",
        help="Keep to these sources (chain, gamma, clob, data_api, subgraph) or actions (scan, tokens, markets, "
        "events, resolutions, transactions, market-ids, slugs, account-trades, wallet-trades, wallet-activity).",
    ),
]
PENDING = 3


def gaps(
    *,
    by: Annotated[
        Literal["month", "source", "category"] | None, Parameter(help="The gaps of each of these as well.")
    ] = None,
    limit: Annotated[int, Parameter(help="At most so many keys.")] = 20,
    part: ScopeFlags | None = None,
    session: Given,
) -> None:
    """Show what is missing, of what, and the keys on which most trades and volume hang."""
    from polyledger.cli import plan_views

    if limit < 0:
        raise UsageError(f"--limit {limit} is not a number of keys", "Give a number from 0")
    with session.open() as workspace:
        session.emit(workspace.gaps(by, limit=limit, scope=scope_of(part)).document, plan_views.gaps)


def plan(
    *,
    budget: Budget = None,
    only: OnlyNames = None,
    detailed_exitcode: Annotated[
        bool, Parameter(negative="", show_default=False, help="Exit with 3 when there is something to do.")
    ] = False,
    part: ScopeFlags | None = None,
    session: Given,
) -> int:
    """Show what sync would do: requests, time and expected gain, the most worthwhile first. Changes nothing."""
    from polyledger.cli import plan_views

    seconds = None if budget is None else seconds_of(budget)
    with session.open() as workspace:
        document = workspace.plan(only=only or (), budget=seconds, scope=scope_of(part)).document
    session.emit(document, plan_views.plan)
    return PENDING if detailed_exitcode and document["stages"] else 0
