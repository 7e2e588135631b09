"""What is known of every wallet when a day begins: skill, coverage and rank, from what had settled before that day."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa

from polyledger.insight.signals.rules import Rule
from polyledger.insight.skill import PACKAGE as INSIGHT
from polyledger.insight.skill import Sums, estimates, fit
from polyledger.insight.statistics import Estimate, Floats
from polyledger.store.sql import script

PACKAGE: Final = "polyledger.insight.signals"
PROFIT: Final = "realized_pnl"
_COLUMNS: Final = pa.schema(
    [
        ("ranking", pa.int32()), ("day", pa.int64()), ("account", pa.int32()), ("category", pa.string()),
        ("figure", pa.float64()), ("value", pa.float64()), ("low", pa.float64()), ("high", pa.float64()),
        ("shrunk", pa.float64()), ("markets", pa.int64()), ("place", pa.int64()), ("wallets", pa.int64()),
        ("traded", pa.int64()), ("resolved", pa.int64()),
    ]
)  # fmt: skip


@dataclass(frozen=True)
class Ranking:
    """By what wallets are placed. Without a skill to ask for, by realized profit over all their markets."""

    measure: str = PROFIT
    figure: str = "value"
    over: str = "total"
    min_resolved: int = 1

    @staticmethod
    def of(rule: Rule) -> Ranking:
        """The ranking that a rule reads."""
        skill = rule.skill
        return Ranking() if skill is None else Ranking(skill.measure, skill.figure, skill.over, skill.min_resolved)


def standings(
    connection: duckdb.DuckDBPyConnection, wanted: Mapping[int, Collection[int]], rankings: Sequence[Ranking]
) -> pa.Table:
    """One row per ranking, day, wallet and category (null for all of them), for the accounts wanted on each day.

    Every wallet takes part in ranks and in what estimates are shrunk towards, all of it as of the beginning of the day.

    Args:
        connection: with the temporary table `signal_results`.
        wanted: day (since 1970-01-01) → accounts.
        rankings: `ranking` is the index in it.
    """
    parts = [part for day in sorted(wanted) for part in _of_day(connection, day, wanted[day], rankings)]
    return pa.concat_tables(parts) if parts else _COLUMNS.empty_table()


def _of_day(
    connection: duckdb.DuckDBPyConnection, day: int, accounts: Collection[int], rankings: Sequence[Ranking]
) -> Iterator[pa.Table]:
    connection.execute(script(PACKAGE, "as_of_day"), {"day": day}).fetchall()
    sums = Sums(connection.sql(script(INSIGHT, "trading_sums")).to_arrow_table())
    if not sums.table.num_rows:
        return
    found = estimates(sums, fit(sums))
    names = np.array(sums.table["category"].to_pylist(), dtype=object)
    asked = np.isin(sums.table["account"].to_numpy(), np.fromiter(accounts, dtype=np.int32))
    for index, ranking in enumerate(rankings):
        rows = asked & (names == None) if ranking.over == "total" else asked & (names != None)  # noqa: E711 - by element
        estimate = _estimate(sums, found, ranking.measure)
        place, count = _places(sums, names, getattr(estimate, ranking.figure), ranking)
        columns: dict[str, Any] = {
            "ranking": np.full(len(names), index), "day": np.full(len(names), day),
            "account": sums.table["account"].to_numpy(), "category": names,
            "figure": getattr(estimate, ranking.figure), "value": estimate.value, "low": estimate.low,
            "high": estimate.high, "shrunk": estimate.shrunk, "markets": _trials(sums, ranking.measure),
            "place": place, "wallets": count, "traded": sums.column("conditions"), "resolved": sums.column("resolved"),
        }  # fmt: skip
        yield pa.table(
            {field.name: _column(columns[field.name][rows], field.type) for field in _COLUMNS},
            schema=_COLUMNS,
        )


def _column(values: Any, kind: pa.DataType) -> pa.Array:
    """Null where there is no number."""
    if kind == pa.string():
        return pa.array(values.tolist(), kind)
    return pa.array(np.asarray(values, dtype=np.float64), from_pandas=True).cast(kind)


def _estimate(sums: Sums, found: Mapping[str, Estimate], measure: str) -> Estimate:
    if measure != PROFIT:
        return found[measure]
    profit = sums.column("profit_x")
    nothing = np.full_like(profit, np.nan)
    return Estimate(profit, nothing, nothing, nothing)


def _trials(sums: Sums, measure: str) -> Floats:
    return sums.column("hit_n" if measure == "hit_rate" else "resolved")


def _places(sums: Sums, names: Any, figures: Floats, ranking: Ranking) -> tuple[Floats, Floats]:
    """The place of each row among those of its category that have enough data (equals share a place), and how many."""
    place, count = np.full(len(figures), np.nan), np.full(len(figures), np.nan)
    eligible = (_trials(sums, ranking.measure) >= ranking.min_resolved) & np.isfinite(figures)
    better = figures if ranking.measure == "brier" else -figures
    for name in [None] if ranking.over == "total" else sorted({n for n in names.tolist() if n is not None}):
        of_name = names == name
        rows = of_name & eligible
        place[rows] = np.searchsorted(np.sort(better[rows]), better[rows], side="left") + 1
        count[of_name] = rows.sum()
    return place, count
