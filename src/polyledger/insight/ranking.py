"""Wallets ranked by any figure: those of the books, and those of breakdown and skill."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow.compute as pc

from polyledger.domain.errors import UsageError
from polyledger.insight.breakdown import add_insight
from polyledger.insight.skill import Sums, estimates, fit, load_priors, trading_sums
from polyledger.insight.statistics import Floats
from polyledger.store.database import Database
from polyledger.value.standings import ORDERS, Standings, standings
from polyledger.value.wallets import wallet_documents

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
    if min_coverage is not None and not 0 <= min_coverage <= 1:
        raise UsageError(f"{min_coverage} is not a share between 0 and 1", "Write 0.8 for 80 %")
    found = standings(database, category)
    kept = found.kept(min_coverage=min_coverage, min_resolved=min_resolved, without_transferred=without_transferred)
    by_insight = order_by in INSIGHT_ORDERS
    sums = trading_sums(database) if by_insight else None
    values = found.column(order_by) if sums is None else _values(database, found, sums, order_by, category)
    places = found.order(values, kept, ascending=ascending != (order_by == "wallet"))
    shown = found.documents(places[:limit], wallet_documents)
    if shown and (by_insight or skill):
        shown = add_insight(database, shown, sums)
        if category is not None:  # a row is about that category alone, as its figures are
            shown = [{**w, **{k: v for k, v in w["categories"][0].items() if k != "category"}} for w in shown]
    return {"schema": "polyledger.wallets/1", "wallets": shown}


def _values(database: Database, found: Standings, sums: Sums, order_by: str, category: str | None) -> Floats:
    """What wallets are ranked by, NaN where there is not enough data; aligned with `found`."""
    names = sums.table["category"]
    part = sums.take(pc.is_null(names) if category is None else pc.fill_null(pc.equal(names, category), False))
    accounts = part.table["account"].to_numpy()
    by_account = np.argsort(accounts, kind="stable")
    at = np.searchsorted(accounts, found.accounts, sorter=by_account)
    there = at < len(accounts)
    place = by_account[np.where(there, at, 0)] if len(accounts) else at
    there &= accounts[place] == found.accounts if len(accounts) else False

    def column(values: Floats) -> Floats:
        result = np.full(len(found.accounts), np.nan)
        result[there] = values[place[there]]
        return result

    with np.errstate(divide="ignore", invalid="ignore"):
        if order_by in SKILL_ORDERS:
            priors = load_priors(database) or fit(sums)
            shrunk = column(estimates(part, priors)[order_by].shrunk)
            return -shrunk if order_by == "brier" else shrunk
        if order_by == "average_pnl":
            return np.asarray(found.sums["realized_pnl"] / _or_nan(found.sums["resolved_conditions"]))
        if order_by == "roi":
            return np.asarray(found.sums["realized_pnl"] / _or_nan(column(part.column("paid"))))
        if order_by == "paid":
            return np.nan_to_num(column(part.column("paid")))
        if order_by == "position_size":
            return column(part.column("size_median"))
        volume = column(part.column("early_volume" if order_by == "early_share" else "late_volume"))
        return np.asarray(volume / _or_nan(column(part.column("timed_volume"))))


def _or_nan(values: Floats) -> Floats:
    """NaN instead of 0, to divide by."""
    return np.where(values == 0, np.nan, values.astype(np.float64))
