"""How much of the trades is attributed: the polyledger.coverage/1 document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import duckdb

from polyledger.domain.amounts import amount_text
from polyledger.domain.errors import UsageError
from polyledger.domain.scope import Scope
from polyledger.store.database import Database
from polyledger.store.scope_filters import NO_FILTERS, ScopeFilters, scope_filters
from polyledger.store.sql import script
from polyledger.value.scoping import ledger_scope, view_scope

_WITHOUT_CONDITION: Final = ("pending", "conflict", "unfillable")
_LEVELS: Final = (
    "total", "condition", "market", "category", "resolution", *_WITHOUT_CONDITION, "duplicates",
)  # fmt: skip
_CONDITIONS: Final = ("total", "market", "category", "resolved")
_WALLETS: Final = "LEFT JOIN dim.accounts AS a ON a.account = f.wallet"
_SHOWN: Final = "(f.wallet IS NULL OR f.wallet NOT IN (SELECT account FROM book.accounts_aside))"
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
    where: str = "true"

    def expressions(self, filters: ScopeFilters = NO_FILTERS, *, own: bool = False) -> dict[str, str]:
        """What the scripts ask for; `own` counts each wallet's own legs whatever the grouping."""
        chain = "CASE WHEN f.side = 0 THEN f.collateral - f.leftover ELSE f.collateral END"
        imported = "coalesce(f.collateral, 0)"
        if self.once and not own:
            chain = f"CASE WHEN f.once THEN {chain} ELSE 0 END"
            imported = f"CASE WHEN f.role = 0 THEN 0 ELSE {imported} END"
        of_condition = filters.conditions("t.condition")
        return {
            "chain_key": self.chain_key,
            "imported_key": self.imported_key,
            "chain_join": self.chain_join,
            "imported_join": self.imported_join,
            "chain_volume": chain,
            "imported_volume": imported,
            "chain_where": f"{self.where} AND {filters.chain} AND {of_condition}",
            "imported_where": f"{self.where} AND {filters.imported('f')} AND {of_condition}",
        }


_GROUPS: Final = {
    "month": _Group(
        "strftime(make_timestamp(b.timestamp * 1000000), '%Y-%m')",
        "coalesce(strftime(make_timestamp(f.timestamp * 1000000), '%Y-%m'), 'unknown')",
        chain_join="LEFT JOIN chain.blocks AS b ON b.number = f.tx // 65536",
    ),
    "source": _Group("'chain'", "s.source", imported_join="JOIN book.imported_sources AS s ON s.file = f.file"),
    "category": _Group(_CATEGORY, _CATEGORY),
    "wallet": _Group(_ADDRESS, _ADDRESS, chain_join=_WALLETS, imported_join=_WALLETS, once=False, where=_SHOWN),
}


_WHOLE: Final = _Group("'all'", "'all'")


def coverage(database: Database, by: str | None = None, scope: Scope | None = None) -> dict[str, Any]:
    """The polyledger.coverage/1 document.

    Besides the keys of the contract it has ``unconfirmed`` (imported rows that are no fill although everything was
    scanned where they lie: they count as trades, and stay out of P&L) and ``reasons`` (why trades have no condition).

    Args:
        database: the ledger.
        by: month, source, category or wallet, for one more object per group.
        scope: only this part of the ledger; of wallets their own legs count.

    Raises:
        UsageError: an unknown group.
        UnknownSubjectError: the scope names something that the ledger does not know.
    """
    if by is not None and by not in _GROUPS:
        raise UsageError(f"Coverage cannot be grouped by {by!r}", f"Choose one of {', '.join(_GROUPS)}")
    if scope is not None:
        return _of_scope(database, by, scope)
    rows = {row["measure"]: row for row in database.records("SELECT * FROM coverage")}
    trades, volume = rows.get("trades", {}), rows.get("volume", {})
    reasons = []
    if any(trades.get(state) for state in _WITHOUT_CONDITION):
        reasons = database.records(script("polyledger.value", "coverage_reasons"))
    document: dict[str, Any] = {"schema": "polyledger.coverage/1", **_attribution(trades, volume)}
    document["reasons"] = [_reason(row) for row in reasons]
    for part in ("conditions", "positions", "links"):
        row = database.records(script("polyledger.value", f"coverage_{part}"))[0]
        document[part] = {key: int(value) for key, value in row.items()}
    document["scope"] = ledger_scope(database)
    if document["scope"] is not None and document["scope"]["wallets"]:
        # Every condition is prepared in it, but a ledger of wallets is about those that they had to do with.
        held = database.records(script("polyledger.value", "coverage_conditions_held"))[0]
        document["conditions"] = {key: int(value) for key, value in held.items()}
    with database.reading() as cursor:
        document["by"] = _groups(cursor, _GROUPS[by].expressions()) if by else []
    return document


def _of_scope(database: Database, by: str | None, scope: Scope) -> dict[str, Any]:
    """The document of a part: one group of everything that belongs to it."""
    with database.reading() as cursor:
        filters = scope_filters(cursor, scope)
        whole = _groups(cursor, _WHOLE.expressions(filters, own=bool(scope.wallets)))
        groups = _groups(cursor, _GROUPS[by].expressions(filters, own=bool(scope.wallets))) if by else []
        if not filters.limits_rows:  # what was prepared counts, traded or not
            rows = _rows(cursor, script("polyledger.value", "coverage_conditions_of").format(
                condition=filters.conditions("k.condition")))  # fmt: skip
            whole = [{**(whole[0] if whole else _NOTHING), "conditions": {n: int(rows[0][n]) for n in _CONDITIONS}}]
    document = {name: value for name, value in (whole[0] if whole else _NOTHING).items() if name != "key"}
    return {
        "schema": "polyledger.coverage/1",
        **document,
        "scope": view_scope(database, scope),
        "by": groups,
    }


def _rows(cursor: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = cursor.sql(sql).to_arrow_table().to_pylist()
    return rows


def _attribution(trades: dict[str, Any], volume: dict[str, Any]) -> dict[str, Any]:
    counts = {level: int(trades.get(level) or 0) for level in (*_LEVELS, "unconfirmed")}
    amounts = {level: amount_text(int(volume.get(level) or 0)) for level in (*_LEVELS, "unconfirmed")}
    unconfirmed = {"trades": counts.pop("unconfirmed"), "volume": amounts.pop("unconfirmed")}
    return {"trades": counts, "volume": amounts, "unconfirmed": unconfirmed}


def _reason(row: dict[str, Any]) -> dict[str, Any]:
    amounts = {"trades": int(row["trades"]), "volume": amount_text(int(row["volume"]))}
    return {"state": row["state"], "reason": row["reason"], **amounts}


def _groups(cursor: duckdb.DuckDBPyConnection, expressions: Mapping[str, str]) -> list[dict[str, Any]]:
    rows = _rows(cursor, script("polyledger.value", "coverage_by").format(**expressions))
    reasons: dict[str, list[dict[str, Any]]] = {}
    if any(row[state] for row in rows for state in _WITHOUT_CONDITION):
        for row in _rows(cursor, script("polyledger.value", "coverage_by_reason").format(**expressions)):
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


_NOTHING: Final[dict[str, Any]] = {
    **_attribution({}, {}),
    "reasons": [],
    "conditions": dict.fromkeys(_CONDITIONS, 0),
    "positions": {"total": 0, "resolved": 0},
    "links": {"proven": 0, "claimed": 0, "refuted": 0},
}
