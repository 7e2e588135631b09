"""What the categories of a ledger hold, and what is left without one: the polyledger.categories/1 document."""

from __future__ import annotations

from typing import Any, Final

import duckdb

from polyledger.domain.amounts import amount_text
from polyledger.domain.categories import UNCATEGORIZED, CategoryTable
from polyledger.store.database import Database
from polyledger.store.scope_filters import first_block
from polyledger.store.sql import script

Document = dict[str, Any]

DEFAULT_TAGS: Final = 20
_ENRICHED: Final = ("market", "event", "category", "tags", "series", "resolution")


def categories(
    database: Database, table: CategoryTable, *, since: int | None = None, tags: int = DEFAULT_TAGS
) -> Document:
    """The polyledger.categories/1 document.

    Every category of the table, and every one that events name themselves, with its conditions, markets, events, trades
    and volume (each match once, as in coverage), and by which rules they came to it; why the rest has none, which
    unknown tags carry the most volume, and how much of everything the sources have told (enrichment).

    Args:
        database: the ledger.
        table: the workspace's table; the document says whether it is the one in force.
        since: only trades from this second on.
        tags: how many unknown tags at most.
    """
    with database.reading() as cursor:
        if since is None:
            cursor.execute(script("polyledger.value", "categories_traded")).fetchall()
        else:
            limits = {"first": first_block(cursor, since) << 16, "since": since}
            cursor.execute(script("polyledger.value", "categories_traded_since"), limits).fetchall()
        cursor.execute(script("polyledger.value", "categories_facts")).fetchall()
        sums, rules, reasons, enriched = (_rows(cursor, name) for name in ("sums", "rules", "reasons", "enrichment"))
        unknown = _rows(cursor, "unknown_tags", limit=tags)
        in_force = cursor.execute("SELECT tag, category FROM book.categories ORDER BY position").fetchall()
    whole = sum(int(row["volume"]) for row in sums)
    found = {row["category"]: row for row in sums}
    names = [*found, *(name for name in table.categories if name not in found)]
    wanted = [(tag, category) for tag, _, category in table.ranked_tags()]
    measured = {row["measure"]: row for row in enriched}
    return {
        "schema": "polyledger.categories/1",
        "table": {
            "origin": table.origin,
            "digest": table.digest(),
            "in_force": [tuple(row) for row in in_force] == wanted,
            "categories": list(table.categories),
        },
        "categories": [
            {**_figures(name, found.get(name), whole), "rules": _rules(rules, name)}
            for name in names
            if name != UNCATEGORIZED
        ],
        "uncategorized": {
            **_figures(UNCATEGORIZED, found.get(UNCATEGORIZED), whole),
            "reasons": [{**row, "volume": amount_text(int(row["volume"]))} for row in reasons],
        },
        "unknown_tags": [
            {**row, **{name: amount_text(int(row[name])) for name in ("volume", "uncategorized_volume")}}
            for row in unknown
        ],
        "total": {
            "conditions": sum(row["conditions"] for row in sums),
            "trades": sum(int(row["trades"]) for row in sums),
            "volume": amount_text(whole),
        },
        "enrichment": {
            measure: {name: _ratio(row[name], row["total"]) for name in _ENRICHED} for measure, row in measured.items()
        },
    }


def _figures(name: str, row: Document | None, whole: int) -> Document:
    row = row or dict.fromkeys(("conditions", "markets", "events", "resolved", "trades", "volume"), 0)
    volume = int(row["volume"])
    return {
        "category": name,
        **{column: int(row[column]) for column in ("conditions", "markets", "events", "resolved", "trades")},
        "volume": amount_text(volume),
        "share": _ratio(volume, whole),
    }


def _rules(rows: list[Document], category: str) -> list[Document]:
    return [
        {"rule": row["rule"], "conditions": row["conditions"], "volume": amount_text(int(row["volume"]))}
        for row in rows
        if row["category"] == category
    ]


def _rows(cursor: duckdb.DuckDBPyConnection, name: str, **parameters: int) -> list[Document]:
    text = script("polyledger.value", f"categories_{name}")
    rows: list[Document] = cursor.sql(text, params=parameters or None).to_arrow_table().to_pylist()
    return rows


def _ratio(part: Any, whole: Any) -> float | None:
    return float(part) / float(whole) if whole else None
