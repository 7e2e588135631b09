"""The commands about wallets and categories: profit, how it was made, what is still open, as of any moment."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from polyledger.cli.period_flags import AsOf, PeriodFlags, words_of
from polyledger.cli.session import Session
from polyledger.domain.errors import UsageError

__all__ = ["categories", "exposure", "wallet", "wallets"]

Given = Annotated[Session, Parameter(parse=False)]
SWITCH = Parameter(negative="", show_default=False)
ORDERS = Literal[
    "realized_pnl", "volume", "cash_flow", "settled_value", "transferred_value", "low", "high", "traded_conditions",
    "resolved_conditions", "winning_conditions", "yes_conditions", "no_conditions", "win_rate", "coverage", "wallet",
    "roi", "average_pnl", "paid", "position_size", "early_share", "late_share", "hit_rate", "profit_per_dollar",
    "closing_line", "brier",
]  # fmt: skip


def wallets(
    *,
    order_by: Annotated[
        ORDERS,
        Parameter(help="Best first; hit_rate, profit_per_dollar, closing_line and brier rank by the shrunk figure."),
    ] = "realized_pnl",
    limit: Annotated[int | None, Parameter(help="At most this many; 20 unless told, all with --json.")] = None,
    category: Annotated[str | None, Parameter(help="Figures of this category only.")] = None,
    min_coverage: Annotated[
        float | None, Parameter(help="Only wallets with at least this share (0 to 1) of their conditions resolved.")
    ] = None,
    min_resolved: Annotated[
        int | None, Parameter(help="Only wallets with at least this many resolved conditions.")
    ] = None,
    skill: Annotated[
        bool, Parameter(negative="", show_default=False, help="With breakdown and skill for every wallet.")
    ] = False,
    without_transferred: Annotated[
        bool,
        SWITCH,
        Parameter(help="Without wallets half of whose profit or more is from shares received by transfer (marked †)."),
    ] = False,
    ascending: Annotated[bool, Parameter(negative="", show_default=False, help="The least first.")] = False,
    distribution: Annotated[
        bool,
        Parameter(negative="", show_default=False, help="Instead, how coverage is distributed over the wallets."),
    ] = False,
    method: Annotated[
        Literal["settlement", "average-cost"],
        Parameter(help="settlement: cash and settled shares; average-cost: as the public P&L subgraph."),
    ] = "settlement",
    era: Annotated[Literal["v1"] | None, Parameter(help="With average-cost: only the first exchanges.")] = None,
    period: PeriodFlags | None = None,
    session: Given,
) -> None:
    """Rank wallets by realized P&L, with the coverage and the bounds it comes with."""
    from polyledger.cli import wallet_views

    _check(method, era, min_coverage, limit)
    if distribution:
        _distribution(session, category, period)
        return
    with session.open() as workspace:
        result = workspace.wallets(
            method=method,
            era=era,
            order_by=order_by,
            limit=limit if limit is not None or session.as_json else 20,
            category=category,
            min_coverage=min_coverage,
            min_resolved=min_resolved,
            skill=skill,
            without_transferred=without_transferred,
            ascending=ascending,
            **words_of(period),
        )
    ranked_by = order_by if method == "settlement" else None
    session.emit(result.document, lambda data, width: wallet_views.wallets(data, width, ranked_by, skill=skill))


def _distribution(session: Session, category: str | None, period: PeriodFlags | None) -> None:
    from polyledger.cli import wallet_views

    with session.open() as workspace:
        spread = workspace.coverage_distribution(category=category, **words_of(period)).document
    session.emit(spread, wallet_views.distribution)


def _check(method: str, era: str | None, min_coverage: float | None, limit: int | None) -> None:
    """Refuse, in the words of the command line, what makes no sense."""
    if era is not None and method != "average-cost":
        raise UsageError(
            "--era is a choice of the average-cost method", "Add --method average-cost, or leave --era out"
        )
    if min_coverage is not None and not 0 <= min_coverage <= 1:
        raise UsageError(f"--min-coverage {min_coverage} is not a share", "Give a number from 0 to 1, such as 0.8")
    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit} shows nothing", "Give a number from 1")


def wallet(
    address: Annotated[str, Parameter(help="0x and 40 hex digits.")],
    *,
    series: Annotated[
        Literal["day", "week"] | None, Parameter(help="Its figures at the end of every day or week (UTC).")
    ] = None,
    period: PeriodFlags | None = None,
    session: Given,
) -> None:
    """Show one wallet: realized P&L, bounds, coverage, categories and every position."""
    from polyledger.cli import wallet_views

    with session.open() as workspace:
        session.emit(workspace.wallet(address, series=series, **words_of(period)).document, wallet_views.wallet)


def exposure(
    addresses: Annotated[
        tuple[str, ...], Parameter(help="Wallets, 0x and 40 hex digits; all when none is given.")
    ] = (),
    /,
    *,
    as_of: AsOf = None,
    session: Given,
) -> None:
    """Show what is still open: by category, event and neg-risk group, how concentrated, and the worst that can come."""
    from polyledger.cli import insight_views

    with session.open() as workspace:
        session.emit(workspace.exposure(addresses, as_of=as_of).document, insight_views.exposure)


def categories(
    *,
    tags: Annotated[int, Parameter(help="At most so many unknown tags.")] = 20,
    period: PeriodFlags | None = None,
    session: Given,
) -> None:
    """Show what each category holds, what has none and why, and which unknown tags carry the most volume."""
    from polyledger.cli import category_views

    if tags < 0:
        raise UsageError(f"--tags {tags} is not a number of tags", "Give a number from 0")
    with session.open() as workspace:
        document = workspace.categories(tags=tags, **words_of(period)).document
    session.emit(document, category_views.categories)
