"""How much of the trades is attributed: the polyledger.coverage/1 document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from polyledger.domain.amounts import amount_text
from polyledger.domain.errors import UsageError
from polyledger.store.database import Database
from polyledger.store.sql import script
from polyledger.value.scoping import ledger_scope

_LEVELS: Final = (
    "total", "condition", "market", "category", "resolution", "pending", "conflict", "unfillable", "duplicates",
)  # fmt: skip
_CONDITIONS: Final = ("total", "market", "category", "resolved")
_WALLETS: Final = (
    "LEFT JOIN dim.accounts AS a ON a.account = f.wallet "
    "WHERE f.wallet IS NULL OR f.wallet NOT IN (SELECT account FROM book.accounts_aside)"
)
_ADDRESS: Final = "coalesce('0x' || lower(hex(a.address)), 'unknown')"
_CATEGORY: Final = "coalesce(c.category, 'Uncategorized')"


@dataclass(frozen=True, slots=True)
class _Group:
    """The SQL of one grouping, for fills on chain and for imported rows."""

    chain_key: str
    imported_key: str
    chain_join: str = ""
    imported_join: str = ""
    once: bool = True  # each match once; else each wallet's own legs

    def expressions(self) -> dict[str, str]:
        chain = "CASE WHEN f.side = 0 THEN f.collateral - f.leftover ELSE f.collateral END"
        imported = "coalesce(f.collateral, 0)"
        if self.once:
            chain, imported = (f"CASE WHEN f.role = 0 THEN 0 ELSE {volume} END" for volume in (chain, imported))
        return {
            "chain_key": self.chain_key,
            "imported_key": self.imported_key,
            "chain_join": self.chain_join,
            "imported_join": self.imported_join,
            "chain_volume": chain,
            "imported_volume": imported,
        }


_GROUPS: Final = {
    "month": _Group(
        "strftime(make_timestamp(b.timestamp * 1000000), '%Y-%m')",
        "coalesce(strftime(make_timestamp(f.timestamp * 1000000), '%Y-%m'), 'unknown')",
        chain_join="LEFT JOIN chain.blocks AS b ON b.number = f.tx // 65536",
    ),
    "source": _Group("'chain'", "s.source", imported_join="JOIN book.imported_sources AS s ON s.file = f.file"),
    "category": _Group(_CATEGORY, _CATEGORY),
    "wallet": _Group(_ADDRESS, _ADDRESS, chain_join=_WALLETS, imported_join=_WALLETS, once=False),
}


def coverage(database: Database, by: str | None = None) -> dict[str, Any]:
    """The polyledger.coverage/1 document.

    Besides the keys of the contract it has ``unconfirmed`` (imported rows that are no fill although everything was
    scanned where they lie: they count as trades, and stay out of P&L) and ``reasons`` (why trades have no condition).

    Args:
        database: the ledger.
        by: month, source, category or wallet, for one more object per group.

    Raises:
        UsageError: an unknown group.
    """
    if by is not None and by not in _GROUPS:
        raise UsageError(f"Coverage cannot be grouped by {by!r}", f"Choose one of {', '.join(_GROUPS)}")
    rows = {row["measure"]: row for row in database.arrow("SELECT * FROM coverage").to_pylist()}
    trades, volume = rows.get("trades", {}), rows.get("volume", {})
    reasons = database.arrow(script("polyledger.value", "coverage_reasons")).to_pylist()
    document: dict[str, Any] = {"schema": "polyledger.coverage/1", **_attribution(trades, volume)}
    document["reasons"] = [_reason(row) for row in reasons]
    for part in ("conditions", "positions", "links"):
        row = database.arrow(script("polyledger.value", f"coverage_{part}")).to_pylist()[0]
        document[part] = {key: int(value) for key, value in row.items()}
    document["scope"] = ledger_scope(database)
    document["by"] = _groups(database, by) if by else []
    return document


def _attribution(trades: dict[str, Any], volume: dict[str, Any]) -> dict[str, Any]:
    counts = {level: int(trades.get(level) or 0) for level in (*_LEVELS, "unconfirmed")}
    amounts = {level: amount_text(int(volume.get(level) or 0)) for level in (*_LEVELS, "unconfirmed")}
    unconfirmed = {"trades": counts.pop("unconfirmed"), "volume": amounts.pop("unconfirmed")}
    return {"trades": counts, "volume": amounts, "unconfirmed": unconfirmed}


def _reason(row: dict[str, Any]) -> dict[str, Any]:
    amounts = {"trades": int(row["trades"]), "volume": amount_text(int(row["volume"]))}
    return {"state": row["state"], "reason": row["reason"], **amounts}


def _groups(database: Database, by: str) -> list[dict[str, Any]]:
    expressions = _GROUPS[by].expressions()
    rows = database.arrow(script("polyledger.value", "coverage_by").format(**expressions)).to_pylist()
    reasons: dict[str, list[dict[str, Any]]] = {}
    if any(row[state] for row in rows for state in ("pending", "conflict", "unfillable")):
        sql = script("polyledger.value", "coverage_by_reason").format(**expressions)
        for row in database.arrow(sql).to_pylist():
            reasons.setdefault(row["key"], []).append(_reason(row))
    return [
        {
            "key": row["key"],
            **_attribution(row, {level: row[f"volume_{level}"] for level in (*_LEVELS, "unconfirmed")}),
            "reasons": reasons.get(row["key"], []),
            "conditions": {name: int(row[f"conditions_{name}"] or 0) for name in _CONDITIONS},
            "positions": {name: int(row[f"positions_{name}"] or 0) for name in ("total", "resolved")},
            "links": {"proven": int(row["links_proven"] or 0), "claimed": int(row["links_claimed"] or 0), "refuted": 0},
            "scope": None,
        }
        for row in rows
    ]
