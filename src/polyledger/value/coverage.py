"""How much of the trades is attributed: the polyledger.coverage/1 document."""

from __future__ import annotations

from typing import Any, Final

from polyledger.domain.amounts import amount_text
from polyledger.domain.errors import UsageError
from polyledger.store.database import Database
from polyledger.store.sql import script
from polyledger.value.scoping import ledger_scope

_LEVELS: Final = ("total", "condition", "market", "category", "resolution", "pending")
# Rows without a role in this ledger: chain fills never conflict, are never unfillable and never duplicates.
_NONE_YET: Final = ("conflict", "unfillable", "duplicates")
_ONCE: Final = "CASE WHEN f.role = 0 THEN 0 WHEN f.side = 0 THEN f.collateral - f.leftover ELSE f.collateral END"
_OWN: Final = "CASE WHEN f.side = 0 THEN f.collateral - f.leftover ELSE f.collateral END"
_GROUPS: Final = {
    "month": (
        "strftime(make_timestamp(b.timestamp * 1000000), '%Y-%m')",
        _ONCE,
        "LEFT JOIN chain.blocks AS b ON b.number = f.tx // 65536",
    ),
    "source": ("'chain'", _ONCE, ""),
    "category": ("coalesce(c.category, 'Uncategorized')", _ONCE, ""),
    "wallet": (
        "'0x' || lower(hex(a.address))",
        _OWN,
        "JOIN dim.accounts AS a ON a.account = f.wallet AND f.wallet NOT IN (SELECT account FROM book.accounts_aside)",
    ),
}


def coverage(database: Database, by: str | None = None) -> dict[str, Any]:
    """The polyledger.coverage/1 document.

    Args:
        database: the ledger.
        by: month, source, category or wallet, for one more object per group.

    Raises:
        UsageError: an unknown group.
    """
    if by is not None and by not in _GROUPS:
        raise UsageError(f"Coverage cannot be grouped by {by!r}", f"Choose one of {', '.join(_GROUPS)}")
    row = _row(database, "coverage_trades")
    conditions = _row(database, "coverage_conditions")
    positions = _row(database, "coverage_positions")
    document: dict[str, Any] = {"schema": "polyledger.coverage/1", **_attribution(row)}
    document["conditions"] = {key: int(value) for key, value in conditions.items()}
    document["positions"] = {key: int(value) for key, value in positions.items()}
    document["links"] = {key: int(value) for key, value in _row(database, "coverage_links").items()}
    document["scope"] = ledger_scope(database)
    document["by"] = _groups(database, by) if by else []
    return document


def _groups(database: Database, by: str) -> list[dict[str, Any]]:
    key, volume, join = _GROUPS[by]
    sql = script("polyledger.value", "coverage_by").format(key=key, volume=volume, join=join)
    rows = database.arrow(sql).to_pylist()
    return [
        {
            "key": row["key"],
            **_attribution(row),
            "conditions": {
                name: int(row[f"conditions_{name}"]) for name in ("total", "market", "category", "resolved")
            },
            "positions": {name: int(row[f"positions_{name}"]) for name in ("total", "resolved")},
            "links": {"proven": int(row["links_proven"]), "claimed": 0, "refuted": 0},
            "scope": None,
        }
        for row in rows
    ]


def _attribution(row: dict[str, Any]) -> dict[str, Any]:
    trades = {level: int(row[level] or 0) for level in _LEVELS} | dict.fromkeys(_NONE_YET, 0)
    volume = {level: amount_text(int(row[f"volume_{level}"] or 0)) for level in _LEVELS}
    return {"trades": trades, "volume": volume | dict.fromkeys(_NONE_YET, amount_text(0))}


def _row(database: Database, name: str) -> dict[str, Any]:
    row: dict[str, Any] = database.arrow(script("polyledger.value", name)).to_pylist()[0]
    return row
