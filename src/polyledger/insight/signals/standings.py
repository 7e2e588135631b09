"""What is known of a wallet when a day begins: skill, coverage and rank, from what had settled before that day."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa

from polyledger.insight.signals.day_ranks import PACKAGE, DayRanks, Ranking, basis_of, kept_ranks, ranks_of
from polyledger.insight.skill import Sums, draw_legs, estimates, sums_of_trading
from polyledger.store.sql import script

_COLUMNS: Final = pa.schema(
    [
        ("ranking", pa.int32()), ("day", pa.int64()), ("account", pa.int32()), ("category", pa.string()),
        ("figure", pa.float64()), ("value", pa.float64()), ("low", pa.float64()), ("high", pa.float64()),
        ("shrunk", pa.float64()), ("markets", pa.int64()), ("place", pa.int64()), ("wallets", pa.int64()),
        ("traded", pa.int64()), ("resolved", pa.int64()),
    ]
)  # fmt: skip
_FEW: Final = 2_000
"""So many accounts are looked up by themselves; for more, everybody is."""


def standings(
    connection: duckdb.DuckDBPyConnection, wanted: Mapping[int, Collection[int]], rankings: Sequence[Ranking]
) -> tuple[pa.Table, dict[int, DayRanks]]:
    """One row per ranking, day, wallet and category (null for all of them), for the accounts wanted on each day.

    Every wallet takes part in ranks and in what estimates are shrunk towards, all of it as of the beginning of the day.

    Args:
        connection: with the temporary table `signal_markets`, and the tables of signals.
        wanted: day (since 1970-01-01) → accounts.
        rankings: `ranking` is the index in it.

    Returns:
        The rows, and the ranks that were not kept yet.
    """
    bases = {day: basis_of(connection, day) for day in wanted}
    ranks = {day: kept_ranks(connection, day, basis, rankings) for day, basis in bases.items()}
    accounts = {account for of_day in wanted.values() for account in of_day}
    alone = all(ranks.values()) and len(accounts) <= _FEW
    closing = any(ranking.measure == "closing_line" for ranking in rankings)
    draw_legs(connection, accounts if alone else None, imports=False, closing=closing)
    connection.execute(script(PACKAGE, "results").format(account=_among(accounts if alone else None))).fetchall()
    parts: list[pa.Table] = []
    fresh: dict[int, DayRanks] = {}
    for day in sorted(wanted):
        of_all = ranks[day]
        if of_all is None:
            of_all = fresh[day] = ranks_of(_sums(connection, day), bases[day], rankings)
        parts += _of_day(_sums(connection, day, wanted[day]), day, of_all)
    return pa.concat_tables(parts) if parts else _COLUMNS.empty_table(), fresh


def _sums(connection: duckdb.DuckDBPyConnection, day: int, accounts: Collection[int] | None = None) -> Sums:
    connection.execute(script(PACKAGE, "as_of_day").format(day=int(day), account=_among(accounts))).fetchall()
    return sums_of_trading(connection)


def _among(accounts: Collection[int] | None) -> str:
    if accounts is None:
        return ""
    return f"AND account IN ({', '.join(str(int(account)) for account in sorted(accounts)) or 'NULL'})"


def _of_day(sums: Sums, day: int, ranks: DayRanks) -> Iterator[pa.Table]:
    if not sums.table.num_rows:
        return
    found = estimates(sums, ranks.priors)
    names = np.array(sums.table["category"].to_pylist(), dtype=object)
    for index, ranking in enumerate(ranks.rankings):
        in_total = names == None  # noqa: E711 - by element
        rows = in_total if ranking.over == "total" else ~in_total
        estimate = ranking.figures(found, sums)
        figures = getattr(estimate, ranking.figure)
        place, count = _places(sums, figures, ranking, ranks)
        columns: dict[str, Any] = {
            "ranking": np.full(len(names), index), "day": np.full(len(names), day),
            "account": sums.table["account"].to_numpy(), "category": names,
            "figure": figures, "value": estimate.value, "low": estimate.low,
            "high": estimate.high, "shrunk": estimate.shrunk, "markets": ranking.trials(sums),
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


def _places(sums: Sums, figures: Any, ranking: Ranking, ranks: DayRanks) -> tuple[Any, Any]:
    """The place of each row among those of its category that have enough data (equals share a place), and how many."""
    place, count = np.full(len(figures), np.nan), np.full(len(figures), np.nan)
    enough = (ranking.trials(sums) >= ranking.min_resolved) & np.isfinite(figures)
    for category, mask in sums.by_category():
        rows = mask & enough
        place[rows] = ranks.place(ranking, category, ranking.better(figures[rows]))
        count[mask] = ranks.count(ranking, category)
    return place, count
