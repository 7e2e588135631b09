"""How well a wallet trades, per category: hit rate, profit per dollar, calibration, closing line, with intervals.

What is measured, and how intervals and shrinkage work, is written down in docs/concepts/skill.md. These are estimates:
doubles, labelled as such, and never part of the books.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from polyledger.insight.statistics import (
    Estimate,
    Floats,
    RatioPrior,
    RatioSums,
    SharePrior,
    fit_ratio,
    fit_share,
    ratio,
    share,
)
from polyledger.store.database import Database, plain_errors
from polyledger.store.sql import script

PACKAGE: Final = "polyledger.insight"
PRIORS_SETTING: Final = "skill_priors"
FITTED_SETTING: Final = "skill_priors_fills"
_WORTH_A_FIT: Final = 0.02
SHARES: Final = ("hit_rate", "win_rate")
RATIOS: Final = ("profit_per_dollar", "closing_line", "brier")
MEASURES: Final = SHARES + RATIOS
_COLUMNS: Final = {"profit_per_dollar": "profit", "closing_line": "closing", "brier": "brier"}
_COUNTS: Final = {"hit_rate": ("hit_k", "hit_n"), "win_rate": ("winning", "resolved")}

Priors = dict[str, dict[str, SharePrior | RatioPrior | None]]
"""By category ("" stands for a wallet's total), then by measure."""


@dataclass(frozen=True)
class Sums:
    """The rows of trading_sums.sql: one per wallet and category, and one per wallet with category null."""

    table: pa.Table

    def column(self, name: str) -> Floats:
        """A column as doubles, NaN where it is null."""
        return np.asarray(self.table[name].to_numpy(zero_copy_only=False), dtype=np.float64)

    def counts(self, measure: str) -> tuple[Floats, Floats]:
        """Successes and trials of a share."""
        successes, trials = _COUNTS[measure]
        return self.column(successes), self.column(trials)

    def ratio(self, measure: str) -> RatioSums:
        """The sums of a ratio."""
        prefix = _COLUMNS[measure]
        parts = {name: np.nan_to_num(self.column(f"{prefix}_{name}")) for name in ("x", "w", "xx", "xw", "ww")}
        return RatioSums(**parts, n=self.column("resolved"))

    def by_category(self) -> Iterator[tuple[str, NDArray[np.bool_]]]:
        """Every category with the mask of its rows; "" stands for totals."""
        encoded = pc.fill_null(self.table["category"].combine_chunks(), "").dictionary_encode()
        codes = encoded.indices.to_numpy()
        for name, code in sorted((name, code) for code, name in enumerate(encoded.dictionary.to_pylist())):
            yield name, codes == code

    def take(self, mask: Any) -> Sums:
        """The rows where `mask` is true."""
        return Sums(self.table.filter(pa.array(mask, pa.bool_())))


def trading_sums(database: Database, account: int | None = None) -> Sums:
    """What the figures rest on, for one account (a key) or for all."""
    with plain_errors(database.path):
        cursor = database.cursor()
        try:
            _trading(cursor, account)
            return sums_of_trading(cursor, "breakdown_sums")
        finally:
            cursor.close()


def sums_of_trading(cursor: duckdb.DuckDBPyConnection, more: str | None = None) -> Sums:
    """Of the temporary table `trading`; `more` names a script of further columns."""
    further = "" if more is None else f",\n{script(PACKAGE, more)}"
    return Sums(cursor.sql(script(PACKAGE, "trading_sums").format(more=further)).to_arrow_table())


def _trading(cursor: duckdb.DuckDBPyConnection, account: int | None) -> None:
    draw_legs(cursor, None if account is None else [account])
    # Filters on the keys themselves, so that they reach the events before those are summed.
    aliases = {"account": "account", "own_account": "w.account"}
    filters = {name: "" if account is None else f"AND {key} = {int(account)}" for name, key in aliases.items()}
    text = script(PACKAGE, "trading").format(**filters)
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE trading AS {text}").fetchall()


def draw_legs(
    cursor: duckdb.DuckDBPyConnection,
    accounts: Collection[int] | None,
    *,
    imports: bool = True,
    closing: bool = True,
) -> None:
    """Make `traded_tokens` and `trading_legs`.

    Args:
        cursor: of the ledger.
        accounts: keys; only conditions that these have traded.
        imports: whether prices of imported trades may be last prices.
        closing: whether last prices are asked for at all; finding them takes a look at every fill.
    """
    wanted = ""
    if accounts is not None:
        keys = ", ".join(str(int(account)) for account in accounts) or "NULL"
        cursor.execute(script(PACKAGE, "wanted_conditions").format(accounts=keys)).fetchall()
        wanted = "AND condition IN (SELECT condition FROM wanted_conditions)"
    asked = {"closing": str(closing).lower(), "imports": str(closing and imports).lower()}
    cursor.execute(script(PACKAGE, "traded_tokens").format(wanted=wanted, **asked)).fetchall()
    cursor.execute(script(PACKAGE, "trading_legs")).fetchall()


def fit(sums: Sums) -> Priors:
    """What all wallets together tell of each category, and of totals."""
    priors: Priors = {}
    for name, mask in sums.by_category():
        part = sums.take(mask)
        of_name: dict[str, SharePrior | RatioPrior | None] = {m: fit_share(*part.counts(m)) for m in SHARES}
        of_name |= {measure: fit_ratio(part.ratio(measure)) for measure in RATIOS}
        priors[name] = of_name
    return priors


def estimates(sums: Sums, priors: Priors) -> dict[str, Estimate]:
    """Every measure of every row of `sums`."""
    rows = sums.table.num_rows
    result = {m: Estimate(*(np.full(rows, np.nan) for _ in range(4))) for m in MEASURES}
    for name, mask in sums.by_category():
        part, known = sums.take(mask), priors.get(name, {})
        for measure in MEASURES:
            prior = known.get(measure)
            if measure in SHARES:
                assert prior is None or isinstance(prior, SharePrior)  # noqa: S101 - told apart by measure
                estimate = share(*part.counts(measure), prior)
            else:
                assert prior is None or isinstance(prior, RatioPrior)  # noqa: S101 - told apart by measure
                estimate = ratio(part.ratio(measure), prior)
            for field in ("value", "low", "high", "shrunk"):
                getattr(result[measure], field)[mask] = getattr(estimate, field)
    return result


def text_of_priors(priors: Priors) -> str:
    """As JSON; what is infinite is null."""
    return json.dumps(
        {
            name: {m: None if p is None else {k: _finite(v) for k, v in asdict(p).items()} for m, p in of_name.items()}
            for name, of_name in priors.items()
        }
    )


def priors_of_text(text: str) -> Priors:
    """What `text_of_priors` wrote."""
    priors: Priors = {}
    for name, of_name in json.loads(text).items():
        priors[name] = {}
        for measure, values in of_name.items():
            kind = SharePrior if measure in SHARES else RatioPrior
            known = None if values is None else {k: math.inf if v is None else v for k, v in values.items()}
            priors[name][measure] = None if known is None else kind(**known)
    return priors


def save_priors(database: Database, priors: Priors) -> None:
    """Keep the priors with the ledger, so that one wallet's figures need no look at all the others."""
    with database.transaction():
        database.set_setting(PRIORS_SETTING, text_of_priors(priors))


def refresh_priors(database: Database) -> bool:
    """Fit the priors anew when the fills are more than 2 % more (or fewer) than at the last fit; True when done."""
    ((fills,),) = database.query("SELECT (SELECT count(*) FROM chain.fills) + (SELECT count(*) FROM imported.trades)")
    known = database.setting(FITTED_SETTING)
    if known is not None and abs(fills - int(known)) <= _WORTH_A_FIT * int(known):
        return False
    save_priors(database, fit(trading_sums(database)))
    with database.transaction():
        database.set_setting(FITTED_SETTING, str(fills))
    return True


def load_priors(database: Database) -> Priors | None:
    """The priors kept with the ledger, None when there are none yet."""
    text = database.setting(PRIORS_SETTING)
    return None if text is None else priors_of_text(text)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
