"""What a wallet's categories look like beyond profit: sizes, entries early and late, returns, skill, and a sentence."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from polyledger.domain.amounts import amount_text
from polyledger.insight.sentence import sentence
from polyledger.insight.skill import MEASURES, Priors, Sums, estimates, fit, load_priors, trading_sums
from polyledger.insight.statistics import Estimate
from polyledger.store.database import Database

Document = dict[str, Any]
_NO_SIZE: Final[Document] = {"mean": None, "median": None, "largest": None}


def add_insight(database: Database, wallets: list[Document], sums: Sums | None = None) -> list[Document]:
    """Each W object of the contract with its breakdown beside the figures, in every category and in total.

    Adds ``sentence`` to the wallet, and to the wallet and each of its categories: ``paid`` (USDC for the shares that
    own fills bought in resolved conditions), ``roi`` (realized P&L per USDC paid), ``average_pnl`` (per resolved
    condition), ``position_size`` (USDC of own fills per condition), ``early_share`` and ``late_share`` (of volume, in
    the first and last tenth of a market's life), ``win_rate_interval`` and ``skill`` (see `polyledger.insight.skill`).
    What cannot be said is null. `sums` are those of all wallets, where they are at hand.
    """
    alone = len(wallets) == 1 and sums is None
    accounts = _accounts_of(database, wallets)
    whole = sums if sums is not None else trading_sums(database, next(iter(accounts)) if alone and accounts else None)
    priors = load_priors(database)
    if priors is None:
        priors = fit(trading_sums(database) if alone else whole)
    own = whole.take(pc.is_in(whole.table["account"], pa.array(accounts, pa.int32())))
    found = _by_wallet(accounts, own, priors)
    return [_joined(wallet, found.get(wallet["wallet"], {})) for wallet in wallets]


def _joined(wallet: Document, found: dict[str, Document]) -> Document:
    categories = [_with_returns(part, found.get(part["category"])) for part in wallet["categories"]]
    return {**_with_returns(wallet, found.get("")), "sentence": sentence(wallet), "categories": categories}


def _with_returns(figures: Document, found: Document | None) -> Document:
    """A W object, or a category of one, with its breakdown and what follows from both."""
    found = found or _nothing()
    profit, resolved = Decimal(figures["realized_pnl"]), figures["resolved_conditions"]
    paid = Decimal(found["paid"])
    return {
        **figures,
        **found,
        "roi": float(profit / paid) if paid else None,
        "average_pnl": f"{profit / resolved:.6f}" if resolved else None,
    }


def _by_wallet(addresses: dict[int, str], sums: Sums, priors: Priors) -> dict[str, dict[str, Document]]:
    """By address, then by category ("" for the total)."""
    result: dict[str, dict[str, Document]] = {}
    for account, category, document in _documents(sums, estimates(sums, priors)):
        result.setdefault(addresses[account], {})[category] = document
    return result


def _documents(sums: Sums, found: dict[str, Estimate]) -> Iterator[tuple[int, str, Document]]:
    accounts, categories = sums.table["account"].to_pylist(), sums.table["category"].to_pylist()
    trials = {measure: sums.column("hit_n" if measure == "hit_rate" else "resolved") for measure in MEASURES}
    column = {name: sums.column(name) for name in sums.table.column_names if name not in {"account", "category"}}
    with np.errstate(divide="ignore", invalid="ignore"):
        early = column["early_volume"] / column["timed_volume"]
        late = column["late_volume"] / column["timed_volume"]
        calibrated = column["expected_error"] / column["brier_w"]
    for row, (account, category) in enumerate(zip(accounts, categories, strict=True)):
        skill: Document = {
            measure: {
                "value": _number(found[measure].value[row]),
                "low": _number(found[measure].low[row]),
                "high": _number(found[measure].high[row]),
                "shrunk": _number(found[measure].shrunk[row]),
                "markets": int(trials[measure][row]),
            }
            for measure in MEASURES
            if measure != "win_rate"
        }
        skill["brier"]["of_calibrated_prices"] = _number(calibrated[row])
        interval = [_number(found["win_rate"].low[row]), _number(found["win_rate"].high[row])]
        yield (
            account,
            category or "",
            {
                "paid": amount_text(round(column["paid"][row])),
                "position_size": {kind: _amount(column[f"size_{kind}"][row]) for kind in _NO_SIZE},
                "early_share": _number(early[row]),
                "late_share": _number(late[row]),
                "win_rate_interval": None if interval[0] is None else interval,
                "skill": skill,
            },
        )


def _nothing() -> Document:
    """For a wallet or category without own fills."""
    nothing = {"value": None, "low": None, "high": None, "shrunk": None, "markets": 0}
    skill: Document = {measure: dict(nothing) for measure in MEASURES if measure != "win_rate"}
    skill["brier"]["of_calibrated_prices"] = None
    return {
        "paid": amount_text(0),
        "position_size": dict(_NO_SIZE),
        "early_share": None,
        "late_share": None,
        "win_rate_interval": None,
        "skill": skill,
    }


def _accounts_of(database: Database, wallets: list[Document]) -> dict[int, str]:
    """The addresses of the wallets by their keys."""
    asked = pa.table({"address": pa.array([bytes.fromhex(w["wallet"][2:]) for w in wallets], pa.binary())})
    with database.reading() as cursor:
        cursor.register("asked_wallets", asked)
        rows = cursor.execute(
            "SELECT account, '0x' || lower(hex(address)) FROM dim.accounts "
            "WHERE address IN (SELECT address FROM asked_wallets)"
        ).fetchall()
        cursor.unregister("asked_wallets")
    return {int(account): str(address) for account, address in rows}


def _number(value: float) -> float | None:
    """An estimate to twelve digits: the last ones of a sum of doubles depend on the order the engine adds them in."""
    return float(f"{value:.12g}") if math.isfinite(value) else None


def _amount(micro: float) -> str | None:
    return amount_text(round(micro)) if math.isfinite(micro) else None
