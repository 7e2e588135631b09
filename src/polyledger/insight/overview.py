"""All wallets at a glance: profit by category, how well wallets are covered, who made most and least."""

from __future__ import annotations

from typing import Any, Final

import duckdb

from polyledger.domain.amounts import amount_text
from polyledger.insight.sentence import sentence
from polyledger.insight.skill import PACKAGE
from polyledger.store.database import Database
from polyledger.store.sql import script
from polyledger.value.distribution import coverage_distribution
from polyledger.value.wallets import wallet_documents

Document = dict[str, Any]

SHOWN: Final = 12
"""How many wallets at each end, unless told."""
_AMOUNTS: Final = ("realized_pnl", "gains", "losses", "volume")


def overview(database: Database, limit: int = SHOWN) -> Document:
    """Figures of all wallets together; amounts are decimal strings in USDC.

    Returns:
        ``categories``: one entry each, most volume first, with ``gains`` and ``losses`` (realized P&L of the wallets
        that are up and of those that are down) and their sum ``realized_pnl``; a ``total``; ``distribution``: see
        `polyledger.value.distribution`; ``top`` and ``bottom``: W objects of the contract with a ``sentence``.
    """
    with database.reading() as cursor:
        for name in ("overview_parts", "overview_wallets"):
            cursor.execute(script(PACKAGE, name)).fetchall()
        categories = [_category(row) for row in _rows(cursor, "overview_categories")]
        best, worst = (
            [
                {**wallet, "sentence": sentence(wallet)}
                for wallet in wallet_documents(_rows(cursor, "overview_extremes", {"order": order, "limit": limit}))
            ]
            for order in (1, -1)
        )
    distribution = coverage_distribution(database)
    return {
        "total": distribution["wallets"],
        "categories": categories,
        "distribution": distribution,
        "top": best,
        "bottom": worst,
    }


def _rows(cursor: duckdb.DuckDBPyConnection, name: str, parameters: Document | None = None) -> list[Document]:
    rows: list[Document] = cursor.sql(script(PACKAGE, name), params=parameters).to_arrow_table().to_pylist()
    return rows


def _category(row: Document) -> Document:
    return {
        "category": row["category"],
        **{name: amount_text(int(row[name])) for name in _AMOUNTS},
        "wallets": int(row["wallets"]),
        "winners": int(row["winners"]),
        "losers": int(row["losers"]),
        "coverage": {
            "conditions": _ratio(int(row["resolved"]), int(row["traded"])),
            "volume": _ratio(int(row["resolved_volume"]), int(row["volume"])),
        },
    }


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
