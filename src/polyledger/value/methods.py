"""Profit by another definition: the average-cost method of the public P&L subgraph, from the ledger's events."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any, Final

import numpy as np
import pyarrow as pa

from polyledger.domain.amounts import amount_text
from polyledger.domain.errors import UsageError
from polyledger.store.database import Database
from polyledger.store.sql import script
from polyledger.value.average_cost import average_cost
from polyledger.value.average_cost_events import Parties, operations
from polyledger.value.average_cost_tables import EVENTS
from polyledger.value.wallets import wallets

_V1_ROLES: Final = "('exchange_v1', 'neg_risk_exchange_v1')"


def wallets_by_average_cost(
    database: Database,
    *,
    era: str | None,
    order_by: str,
    limit: int | None,
    category: str | None,
    min_coverage: float | None,
) -> dict[str, Any]:
    """The polyledger.wallets/1 document with realized_pnl, unrealized_cost and volume by the average-cost method.

    Args:
        database: the ledger.
        era: ``v1`` for the first exchanges alone (what the subgraph knows), None for all by the same rules.
        order_by, limit, category, min_coverage: as for `wallets`; the ranking uses the figures of this method.

    Raises:
        UsageError: an unknown era.
    """
    if era not in {None, "v1"}:
        raise UsageError(f"There is no era {era!r}", "Leave it out for all eras, or choose v1")
    figures = _figures(database, era)
    base = wallets(database, order_by="wallet", category=category, min_coverage=min_coverage)["wallets"]
    documents = []
    for entry in base:
        own = figures.get(entry["wallet"], {})
        categories = [{**part, **_amounts([own.get(part["category"])])} for part in entry["categories"]]
        chosen = [own.get(category)] if category is not None else list(own.values())
        documents.append({**entry, **_amounts(chosen), "categories": categories})
    if order_by != "wallet":
        documents.sort(key=lambda entry: _rank(entry, order_by), reverse=True)
    return {
        "schema": "polyledger.wallets/1",
        "method": "average-cost",
        "era": era or "all",
        "wallets": documents[:limit],
    }


def _figures(database: Database, era: str | None) -> dict[str, dict[str, tuple[int, int, int]]]:
    """(realized profit, cost of what is still held, volume) per wallet address and category."""
    mapped = operations(_events(database, era), _parties(database))
    positions = average_cost(mapped.operations)
    cursor = database.cursor()
    try:
        cursor.register("average_positions", positions)
        rows = cursor.sql(
            script("polyledger.value", "average_cost_figures").format(fills=_fills_filter(era))
        ).to_arrow_table()
    finally:
        cursor.close()
    result: dict[str, dict[str, tuple[int, int, int]]] = {}
    for address, group in groupby(rows.to_pylist(), key=lambda row: row["wallet"]):
        result[address] = {
            row["category"]: (int(row["realized_pnl"] or 0), int(row["unrealized_cost"] or 0), int(row["volume"] or 0))
            for row in group
        }
    return result


def _events(database: Database, era: str | None) -> dict[str, pa.Table]:
    tables = {
        name: database.arrow(script("polyledger.value", f"average_cost_{name}").format(fills=_fills_filter(era)))
        for name in EVENTS
        if name != "conversions"
    }
    rows = database.arrow(script("polyledger.value", "average_cost_conversions"))
    index_sets = [
        sum(1 << index for index in indexes).to_bytes(32, "big") for indexes in rows.column("no_indexes").to_pylist()
    ]
    position = rows.column_names.index("no_indexes")
    tables["conversions"] = rows.set_column(position, "index_set", pa.array(index_sets, pa.binary(32)))
    return tables


def _fills_filter(era: str | None) -> str:
    if era == "v1":
        return f"f.contract IN (SELECT account FROM dim.contracts WHERE role IN {_V1_ROLES})"
    return "f.role <> 3"


def _parties(database: Database) -> Parties:
    def keys(roles: Iterable[str]) -> frozenset[int]:
        names = ", ".join(f"'{role}'" for role in roles)
        return frozenset(
            int(np.int64(row[0]))
            for row in database.query(f"SELECT account FROM dim.contracts WHERE role IN ({names})")
        )

    neg_risk = ("neg_risk_exchange_v1", "neg_risk_exchange_v2")
    return Parties(
        adapters=keys(("neg_risk_adapter",)),
        exchanges=keys(("exchange_v1", "exchange_v2", *neg_risk)),
        neg_risk_exchanges=keys(neg_risk),
    )


def _amounts(parts: Iterable[tuple[int, int, int] | None]) -> dict[str, str]:
    known = [part for part in parts if part is not None]
    names = ("realized_pnl", "unrealized_cost", "volume")
    return {name: amount_text(sum(part[position] for part in known)) for position, name in enumerate(names)}


def _rank(entry: dict[str, Any], order_by: str) -> float:
    value = entry["coverage"]["conditions"] if order_by == "coverage" else entry[order_by]
    return float("-inf") if value is None else float(value)
