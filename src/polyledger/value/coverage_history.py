"""How coverage came to be what it is: what rows said when they came, and what each run added."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from polyledger.domain.amounts import amount_text, parse_amount
from polyledger.store.database import Database
from polyledger.store.sql import script

Document = dict[str, Any]

LEVELS: Final = ("total", "condition", "market", "category", "resolution")


def remember(database: Database, run_id: str, doing: str, coverage: Mapping[str, Any]) -> None:
    """Keep the coverage that a run ended with.

    Args:
        database: the ledger, open for writing.
        run_id: of the run.
        doing: the command, ``sync`` or ``import``.
        coverage: a polyledger.coverage/1 document of the whole ledger.
    """
    now = datetime.now(UTC).replace(tzinfo=None)
    trades = [int(coverage["trades"][level]) for level in LEVELS]
    volume = [parse_amount(coverage["volume"][level]) for level in LEVELS]
    with database.transaction() as connection:
        for measure, values in (("trades", trades), ("volume", volume)):
            connection.execute(
                "INSERT INTO meta.coverage_history VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [run_id, doing, now, measure, *values],
            )


def coverage_history(database: Database) -> list[Document]:
    """One entry per run, oldest first: ``{"run_id", "doing", "at", "trades": {level: n}, "volume": {level: USDC}}``."""
    rows = database.records("SELECT * FROM meta.coverage_history ORDER BY ended_at, run_id, measure")
    entries: dict[str, Document] = {}
    for row in rows:
        entry = entries.setdefault(
            row["run_id"], {"run_id": row["run_id"], "doing": row["doing"], "at": f"{row['ended_at'].isoformat()}Z"}
        )
        levels = {level: int(row[level]) for level in LEVELS}
        entry[row["measure"]] = (
            levels if row["measure"] == "trades" else {level: amount_text(value) for level, value in levels.items()}
        )
    return list(entries.values())


def as_it_came(database: Database) -> Document:
    """What trades said of themselves before anything was looked up.

    Returns:
        ``{"all": G, "month": {key: G}, "source": {key: G}}`` where G is
        ``{"trades": {"condition", "market"}, "volume": {"condition", "market"}}``.

    A fill on chain brings nothing but its token: months and sources without an entry had nothing.
    """
    rows = database.records(script("polyledger.value", "coverage_as_it_came"))
    sums: dict[tuple[str, str], dict[str, int]] = {("all", ""): {}}
    for row in rows:
        for place in (("all", ""), ("month", row["month"]), ("source", row["source"])):
            into = sums.setdefault(place, {})
            for name in ("trades_condition", "trades_market", "volume_condition", "volume_market"):
                into[name] = into.get(name, 0) + int(row[name])
    return {
        "all": _brought(sums[("all", "")]),
        "month": {key: _brought(found) for (kind, key), found in sums.items() if kind == "month"},
        "source": {key: _brought(found) for (kind, key), found in sums.items() if kind == "source"},
    }


def _brought(sums: Mapping[str, int]) -> Document:
    return {
        "trades": {level: sums.get(f"trades_{level}", 0) for level in ("condition", "market")},
        "volume": {level: amount_text(sums.get(f"volume_{level}", 0)) for level in ("condition", "market")},
    }
