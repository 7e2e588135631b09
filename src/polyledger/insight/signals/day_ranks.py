"""What all wallets together were like when a day began: priors and sorted figures, kept while what they rest on is so.

Whose place is asked for is few; among whom is everybody. Working that out takes a look at every fill before the day, so
it is done once a day: the next sync of the same day needs only the fills of the wallets that have traded since.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa

from polyledger.insight.signals.rules import Rule
from polyledger.insight.skill import PACKAGE as INSIGHT
from polyledger.insight.skill import Priors, Sums, estimates, fit, priors_of_text, text_of_priors
from polyledger.insight.statistics import Estimate, Floats
from polyledger.store.database import Database
from polyledger.store.sql import script

PACKAGE: Final = "polyledger.insight.signals"
PROFIT: Final = "realized_pnl"
_KEPT_DAYS: Final = 3
_PRIORS: Final = "priors"
_SCRIPTS: Final = (
    (INSIGHT, "traded_tokens"), (INSIGHT, "trading_legs"), (INSIGHT, "trading_sums"), (PACKAGE, "results"),
    (PACKAGE, "as_of_day"), (PACKAGE, "markets"),
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

    def figures(self, found: Mapping[str, Estimate], sums: Sums) -> Estimate:
        """What it ranks by, of every row of `sums`."""
        if self.measure != PROFIT:
            return found[self.measure]
        profit = sums.column("profit_x")
        nothing = np.full_like(profit, np.nan)
        return Estimate(profit, nothing, nothing, nothing)

    def trials(self, sums: Sums) -> Floats:
        """How many markets speak for each row."""
        return sums.column("hit_n" if self.measure == "hit_rate" else "resolved")

    def better(self, figures: Floats) -> Floats:
        """The same, smaller where it is better."""
        return figures if self.measure == "brier" else -figures


@dataclass
class DayRanks:
    """Of one day: what estimates are shrunk towards, and whom wallets are placed among.

    Attributes:
        figures: for each ranking and category ("" for totals) those of all wallets that have enough data, best first,
            signed so that smaller is better.
    """

    basis: str
    rankings: tuple[Ranking, ...]
    priors: Priors
    figures: dict[tuple[Ranking, str], Floats] = field(default_factory=dict)

    def place(self, ranking: Ranking, category: str, better: Floats) -> Floats:
        """The places of these figures; what differs by no more than rounding shares one."""
        everybody = self.figures.get((ranking, category), np.empty(0))
        return np.asarray(np.searchsorted(everybody, better - 1e-9 * np.abs(better), side="left") + 1, np.float64)

    def count(self, ranking: Ranking, category: str) -> int:
        """How many wallets are ranked."""
        return len(self.figures.get((ranking, category), ()))


def ranks_of(sums: Sums, basis: str, rankings: Sequence[Ranking]) -> DayRanks:
    """Worked out of the sums of all wallets as of the day."""
    ranks = DayRanks(basis, tuple(rankings), fit(sums))
    found = estimates(sums, ranks.priors)
    for ranking in rankings:
        estimate = ranking.figures(found, sums)
        figures = getattr(estimate, ranking.figure)
        enough = (ranking.trials(sums) >= ranking.min_resolved) & np.isfinite(figures)
        for category, mask in sums.by_category():
            if (category == "") == (ranking.over == "total"):
                ranks.figures[ranking, category] = np.sort(ranking.better(figures[mask & enough]))
    return ranks


def basis_of(connection: duckdb.DuckDBPyConnection, day: int) -> str:
    """What the ranks of a day rest on: the same as long as they are the same. Needs the table `signal_markets`."""
    ((block,),) = connection.execute(
        "SELECT coalesce(min(number), 1 << 44) FROM chain.blocks WHERE timestamp >= ?", [day * 86_400]
    ).fetchall()
    text = script(PACKAGE, "basis").format(tx=int(block) << 16, seconds=day * 86_400)
    ((basis,),) = connection.execute(text).fetchall()
    return f"{_method()}-{basis}"


@cache
def _method() -> str:
    """Changes when the way does in which standings are worked out."""
    texts = "\n".join(script(package, name) for package, name in _SCRIPTS)
    return hashlib.blake2b(texts.encode(), digest_size=8).hexdigest()


def kept_ranks(
    connection: duckdb.DuckDBPyConnection, day: int, basis: str, rankings: Sequence[Ranking]
) -> DayRanks | None:
    """Those of an earlier evaluation, if they still hold and have all these rankings."""
    rows = connection.execute(
        "SELECT ranking, category, content FROM insight.day_ranks WHERE day = ? AND basis = ?", [day, basis]
    ).fetchall()
    content = {(str(ranking), str(category)): bytes(part) for ranking, category, part in rows}
    if (_PRIORS, "") not in content:
        return None
    known = json.loads(content[_PRIORS, ""])
    if not set(map(repr, rankings)) <= set(known["rankings"]):
        return None
    by_name = {repr(ranking): ranking for ranking in rankings}
    figures = {
        (by_name[name], category): np.frombuffer(part, dtype=np.float64)
        for (name, category), part in content.items()
        if name in by_name
    }
    return DayRanks(basis, tuple(rankings), priors_of_text(known["priors"]), figures)


def keep_ranks(database: Database, days: Mapping[int, DayRanks]) -> None:
    """Keep those of the last days; earlier ones make room."""
    last = sorted(days)[-_KEPT_DAYS:]
    rows: list[dict[str, Any]] = []
    for day in last:
        ranks = days[day]
        common = {"day": day, "basis": ranks.basis}
        known = {"rankings": [repr(ranking) for ranking in ranks.rankings], "priors": text_of_priors(ranks.priors)}
        rows.append({**common, "ranking": _PRIORS, "category": "", "content": json.dumps(known).encode()})
        rows += [
            {**common, "ranking": repr(ranking), "category": category, "content": figures.tobytes()}
            for (ranking, category), figures in ranks.figures.items()
        ]
    if not rows:
        return
    table = pa.Table.from_pylist(rows)
    with database.transaction() as connection:
        connection.register("fresh_ranks", table)
        connection.execute("DELETE FROM insight.day_ranks WHERE day IN (SELECT day FROM fresh_ranks)")
        connection.execute("INSERT INTO insight.day_ranks BY NAME SELECT * FROM fresh_ranks")
        connection.execute(
            "DELETE FROM insight.day_ranks WHERE day NOT IN ("
            f"SELECT DISTINCT day FROM insight.day_ranks ORDER BY day DESC LIMIT {_KEPT_DAYS})"
        )
        connection.unregister("fresh_ranks")
