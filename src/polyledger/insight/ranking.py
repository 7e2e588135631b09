"""Wallets ranked by any figure: those of the books, and those of breakdown and skill."""

from __future__ import annotations

from typing import Any, Final

from polyledger.domain.errors import UsageError
from polyledger.insight.breakdown import add_insight
from polyledger.store.database import Database
from polyledger.value.wallets import ORDERS, ranked, wallets

Document = dict[str, Any]

SKILL_ORDERS: Final = ("hit_rate", "profit_per_dollar", "closing_line", "brier")
INSIGHT_ORDERS: Final = ("roi", "average_pnl", "paid", "position_size", "early_share", "late_share", *SKILL_ORDERS)
"""Rankings that need `polyledger.insight.breakdown`. Skill ranks by the shrunk figure; for brier the lowest leads.
Position size is the median."""


def ranked_wallets(
    database: Database,
    *,
    order_by: str = "realized_pnl",
    limit: int | None = None,
    category: str | None = None,
    min_coverage: float | None = None,
    min_resolved: int | None = None,
    skill: bool = False,
    without_transferred: bool = False,
    ascending: bool = False,
) -> Document:
    """The polyledger.wallets/1 document, best first.

    Args:
        database: the ledger.
        order_by: one of `polyledger.value.wallets.ORDERS` or of `INSIGHT_ORDERS`.
        limit: how many wallets at most.
        category: rank by, and show, this category alone.
        min_coverage: leave out wallets with a smaller share of resolved conditions (0 to 1).
        min_resolved: leave out wallets with fewer resolved conditions.
        without_transferred: leave out wallets whose profit rests on shares that they received by transfer.
        ascending: the least first; of brier, which is better the lower it is, the worst first.
        skill: add breakdown and skill to every wallet; done anyway when the ranking needs them.

    Raises:
        UsageError: an unknown column or category, or a bound outside its limits.
    """
    if order_by not in ORDERS and order_by not in INSIGHT_ORDERS:
        known = ", ".join((*ORDERS, *INSIGHT_ORDERS))
        raise UsageError(f"Wallets cannot be ranked by {order_by!r}", f"Choose one of {known}")
    if min_resolved is not None and min_resolved < 0:
        raise UsageError(f"{min_resolved} resolved conditions is no bound", "Give a number from 0")
    by_insight = order_by in INSIGHT_ORDERS
    all_of_them = by_insight or min_resolved is not None
    document = wallets(
        database,
        order_by="realized_pnl" if by_insight else order_by,
        limit=None if all_of_them else limit,
        category=category,
        min_coverage=min_coverage,
        without_transferred=without_transferred,
        ascending=ascending and not by_insight,
    )
    found = [w for w in document["wallets"] if w["resolved_conditions"] >= (min_resolved or 0)]
    if found and (by_insight or skill):
        found = add_insight(database, found)
        if category is not None:  # a row is about that category alone, as its figures are
            found = [{**w, **{k: v for k, v in w["categories"][0].items() if k != "category"}} for w in found]
    if by_insight:
        # Who has too little data to be ranked comes last.
        found = ranked(found, lambda wallet: _value(wallet, order_by), ascending=ascending)
    return {**document, "wallets": found[:limit]}


def _value(document: Document, order_by: str) -> Any:
    if order_by == "position_size":
        return document[order_by]["median"]
    value = document["skill"][order_by]["shrunk"] if order_by in SKILL_ORDERS else document[order_by]
    return -value if order_by == "brier" and value is not None else value
