"""How coverage is distributed over wallets: the polyledger.coverage-distribution/1 document."""

from __future__ import annotations

from typing import Any, Final

from polyledger.domain.amounts import amount_text
from polyledger.store.database import Database
from polyledger.store.sql import script

Document = dict[str, Any]

_TENTHS: Final = 10
_MEASURES: Final = ("conditions", "volume")


def coverage_distribution(database: Database, category: str | None = None) -> Document:
    """How many wallets have which share of their conditions, and of their volume, settled; with what hangs on them.

    ``conditions`` and ``volume`` are eleven bins each, from 0 to 1 by tenths and one for exactly 1, with the number of
    wallets, their volume and realized P&L; ``nothing`` counts wallets without a trade of their own; ``quartiles`` are
    those of the others, null where there are none.

    Args:
        database: the ledger.
        category: of this category alone.
    """
    given = {"category": category}
    rows = database.records(script("polyledger.value", "coverage_distribution"), given)
    quartiles = database.records(script("polyledger.value", "coverage_quantiles"), given)[0]
    found = {(row["measure"], row["tenth"]): row for row in rows}
    return {
        "schema": "polyledger.coverage-distribution/1",
        "category": category,
        "wallets": sum(row["wallets"] for row in rows if row["measure"] == "conditions"),
        "nothing": found.get(("conditions", None), {"wallets": 0})["wallets"],
        **{
            measure: [_bin(tenth, found.get((measure, tenth))) for tenth in range(_TENTHS + 1)] for measure in _MEASURES
        },
        "quartiles": {measure: quartiles[measure] for measure in _MEASURES},
    }


def _bin(tenth: int, row: Document | None) -> Document:
    row = row or {"wallets": 0, "volume": 0, "realized_pnl": 0}
    return {
        "from": tenth / _TENTHS,
        "to": min(1.0, (tenth + 1) / _TENTHS),
        "wallets": row["wallets"],
        "volume": amount_text(int(row["volume"])),
        "realized_pnl": amount_text(int(row["realized_pnl"])),
    }
