"""All wallets in columns, so that a ranking looks at every one of them and spells out only those that it shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from polyledger.domain.errors import UsageError
from polyledger.store.database import Database

Column = NDArray[Any]

_AMOUNTS: Final = ("realized_pnl", "cash_flow", "settled_value", "transferred_value", "low", "high", "volume")
_COUNTS: Final = (
    "traded_conditions", "resolved_conditions", "winning_conditions", "yes_conditions", "no_conditions",
)  # fmt: skip
ADDITIVE: Final = (*_AMOUNTS, "resolved_volume", *_COUNTS)
"""The columns of book.wallet_categories that figures are made of: of several rows they add up."""
ORDERS: Final = (*_AMOUNTS, *_COUNTS, "coverage", "win_rate", "wallet")
_RATIOS: Final = {
    "coverage": ("resolved_conditions", "traded_conditions"),
    "win_rate": ("winning_conditions", "resolved_conditions"),
}


@dataclass(frozen=True)
class Standings:
    """Wallets by address, and the rows of book.wallet_categories that they are sums of.

    Attributes:
        rows: one per wallet and category; `accounts` has one entry per wallet, in the order of their addresses.
        sums: by the names of `ADDITIVE`, aligned with `accounts`.
    """

    rows: pa.Table
    accounts: Column
    addresses: pa.Array
    sums: dict[str, Column]

    def column(self, name: str) -> Column:
        """The values of one of `ORDERS`; of ratios NaN where there is no denominator."""
        if name == "wallet":
            return np.arange(len(self.accounts))
        if name in _RATIOS:
            part, whole = (self.sums[part] for part in _RATIOS[name])
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.asarray(part / whole, dtype=np.float64)
        return self.sums[name]

    def kept(
        self, *, min_coverage: float | None = None, min_resolved: int | None = None, without_transferred: bool = False
    ) -> NDArray[np.bool_]:
        """Which wallets are within these bounds."""
        mask = np.ones(len(self.accounts), dtype=np.bool_)
        if min_coverage is not None:
            mask &= self.column("coverage") >= min_coverage  # NaN is not
        if min_resolved is not None:
            mask &= self.sums["resolved_conditions"] >= min_resolved
        if without_transferred:
            profit = self.sums["realized_pnl"]
            mask &= ~((profit > 0) & (profit <= 2 * self.sums["transferred_value"]))
        return mask

    def order(self, values: Column, mask: NDArray[np.bool_], *, ascending: bool = False) -> Column:
        """The places of the wallets in `mask`, the largest value first; those without one come last either way, and
        equals by their addresses."""
        places = np.flatnonzero(mask)
        chosen = values[places]
        known = ~np.isnan(chosen) if chosen.dtype.kind == "f" else np.ones(len(chosen), dtype=np.bool_)
        keys = chosen[known]
        found = np.argsort(keys if ascending else -keys, kind="stable")
        return np.concatenate([places[known][found], places[~known]])

    def documents(self, places: Column, spell_out: Callable[[list[dict[str, Any]]], Sequence[Any]]) -> list[Any]:
        """The W objects of the wallets at these places, in this order."""
        accounts = pa.array(self.accounts[places])
        picked = self.rows.filter(pc.is_in(self.rows["account"], accounts)).sort_by("category").to_pylist()
        by_account: dict[int, list[dict[str, Any]]] = {}
        for row in picked:
            by_account.setdefault(row["account"], []).append(row)
        chosen: list[dict[str, Any]] = []
        for place in places.tolist():
            wallet = f"0x{self.addresses[place].as_py().hex()}"
            chosen += [{"wallet": wallet, **row} for row in by_account[int(self.accounts[place])]]
        return list(spell_out(chosen))


def standings(database: Database, category: str | None = None) -> Standings:
    """Every wallet of the ledger, in one category alone or in all.

    Raises:
        UsageError: no wallet has the category.
    """
    rows = database.arrow("SELECT * FROM book.wallet_categories")
    if category is not None:
        known = sorted(pc.unique(rows["category"]).to_pylist())
        if category not in known:
            raise UsageError(f"No wallet has the category {category!r}", f"There are {', '.join(known) or 'none'}")
        rows = rows.filter(pc.equal(rows["category"], category))
    totals = rows.group_by("account").aggregate([(name, "sum") for name in ADDITIVE])
    with database.reading() as cursor:
        cursor.register("standing_accounts", totals.select(["account"]))
        found = cursor.sql(
            "SELECT s.account, a.address FROM standing_accounts AS s JOIN dim.accounts AS a ON a.account = s.account "
            "ORDER BY a.address"
        ).to_arrow_table()
        cursor.unregister("standing_accounts")
    accounts = found["account"].to_numpy()
    by_account = np.argsort(totals["account"].to_numpy(), kind="stable")
    places = by_account[np.searchsorted(totals["account"].to_numpy(), accounts, sorter=by_account)]
    sums = {name: totals[f"{name}_sum"].to_numpy()[places] for name in ADDITIVE}
    return Standings(rows, accounts, found["address"].combine_chunks(), sums)
