"""The holes of a ledger: what is missing, of what, where, and the keys on which most hangs (polyledger.gaps/1).

The document::

    {"schema": …, "trades": n, "volume": "…",
     "gaps": [{"missing", "of", "keys", "trades", "volume", "share": {"trades", "volume"}}],
     "by":   [{"key", "gaps": [{"missing", "of", "keys", "trades", "volume"}]}],
     "keys": [{"missing", "of", "key", "trades", "volume", "last_trade", "asked": [source…]}],
     "scope": null}

``trades`` and ``volume`` of a gap are what hangs on its keys. ``missing: trade, of: file`` are legs on chain that no
imported row is, within the time the imported files span. A share without a denominator is null.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import duckdb
import numpy as np

from polyledger.domain.amounts import amount_text
from polyledger.domain.errors import UsageError
from polyledger.domain.records import Kind
from polyledger.domain.scope import Scope
from polyledger.store.database import Database
from polyledger.store.scope_filters import scope_filters
from polyledger.store.sql import script
from polyledger.sync.missing import Missing, MissingKeys, measured, read_missing, run_script
from polyledger.sync.ranking import scores
from polyledger.value.scoping import ledger_scope, view_scope

Document = dict[str, Any]

DEFAULT_LIMIT: Final = 20
NAMES: Final[dict[Kind, tuple[str, str]]] = {
    Kind.TOKEN: ("condition", "token"),
    Kind.MARKET_ID: ("condition", "market_id"),
    Kind.SLUG: ("condition", "slug"),
    Kind.TRANSACTION: ("condition", "transaction"),
    Kind.MARKET: ("market", "condition"),
    Kind.RESOLUTION: ("resolution", "condition"),
    Kind.EVENT: ("tags", "event"),
}
"""What is missing, and of what, when a key of a kind is missing."""
_ORDER: Final = (
    ("condition", "token"), ("condition", "transaction"), ("condition", "market_id"), ("condition", "slug"),
    ("market", "condition"), ("event", "condition"), ("category", "condition"), ("resolution", "condition"),
    ("tags", "event"), ("trade", "file"),
)  # fmt: skip
_PLAIN: Final = {
    "chain_part": "NULL", "chain_join": "", "file_part": "NULL", "file_join": "",
    "part": "i.part", "silent_part": "s.part", "lacking_part": "l.part",
}  # fmt: skip
_GROUPS: Final[dict[str, dict[str, str]]] = {
    "month": {
        "chain_part": "strftime(make_timestamp(c.timestamp * 1000000), '%Y-%m')",
        "chain_join": "LEFT JOIN chain.blocks AS c ON c.number = f.tx // 65536",
        "file_part": "strftime(make_timestamp(t.timestamp * 1000000), '%Y-%m')",
    },
    "source": {
        "chain_part": "'chain'",
        "file_part": "n.source",
        "file_join": "LEFT JOIN book.imported_sources AS n ON n.file = t.file",
    },
    "category": {
        "part": "coalesce(k.category, 'Uncategorized')",
        "silent_part": "'Uncategorized'",
        "lacking_part": "coalesce(k.category, 'Uncategorized')",
    },
}


def gaps(
    database: Database,
    by: str | None = None,
    *,
    limit: int = DEFAULT_LIMIT,
    now: int | None = None,
    scope: Scope | None = None,
) -> Document:
    """The polyledger.gaps/1 document.

    Args:
        database: the ledger.
        by: month, source or category, for the gaps of each group.
        limit: at most so many keys.
        now: seconds since 1970; the present unless told.
        scope: only this part of the ledger.

    Raises:
        UsageError: an unknown group.
        UnknownSubjectError: the scope names something that the ledger does not know.
    """
    if by is not None and by not in _GROUPS:
        raise UsageError(f"Gaps cannot be grouped by {by!r}", f"Choose one of {', '.join(_GROUPS)}")
    parts = _PLAIN | (_GROUPS[by] if by else {})
    with measured(database, now=now, parts=parts, scope=scope) as cursor:
        filters = scope_filters(cursor, scope)
        within = f"{filters.chain} AND {filters.conditions('k.condition')}"
        run_script(cursor, script("polyledger.sync", "gaps_lacking").format(**parts, chain_where=within))
        missing = read_missing(cursor, now)
        totals = _rows(cursor, script("polyledger.sync", "gaps_totals"))
        grouped = _rows(cursor, script("polyledger.sync", "gaps_parts").format(**parts)) if by else []
    return {
        "schema": "polyledger.gaps/1",
        "trades": missing.trades,
        "volume": amount_text(missing.volume),
        "gaps": [_gap(row) | {"share": _share(row, missing)} for row in sorted(totals, key=_place)],
        "by": _groups(grouped),
        "keys": heaviest(missing, limit),
        "scope": ledger_scope(database) if scope is None else view_scope(database, scope),
    }


def heaviest(missing: Missing, limit: int) -> list[Document]:
    """The keys on which most trades and volume hang, over all kinds."""
    found: list[tuple[float, str, str, Document]] = []
    for kind, keys in missing.kinds.items():
        score = scores(keys.trades, keys.volume, (missing.trades, missing.volume))
        best = np.argsort(-score, kind="stable")[:limit]
        found += [(-float(score[at]), str(kind), str(keys.keys[at]), _key(keys, int(at))) for at in best]
    return [row for *_, row in sorted(found, key=lambda entry: entry[:3])[:limit]]


def _key(keys: MissingKeys, position: int) -> Document:
    what, of = NAMES[keys.kind]
    last = int(keys.last_trade[position])
    return {
        "missing": what,
        "of": of,
        "key": str(keys.keys[position]),
        "trades": int(keys.trades[position]),
        "volume": amount_text(int(keys.volume[position])),
        "last_trade": None if last < 0 else f"{datetime.fromtimestamp(last, UTC):%Y-%m-%dT%H:%M:%SZ}",
        "asked": sorted(source for source, barred in keys.barred.items() if barred[position]),
    }


def _rows(cursor: duckdb.DuckDBPyConnection, sql: str) -> list[Document]:
    rows: list[Document] = cursor.sql(sql).to_arrow_table().to_pylist()
    return rows


def _gap(row: Document) -> Document:
    return {
        "missing": row["missing"],
        "of": row["of"],
        "keys": int(row["keys"]),
        "trades": int(row["trades"] or 0),
        "volume": amount_text(int(row["volume"] or 0)),
    }


def _share(row: Document, missing: Missing) -> Document:
    return {
        "trades": int(row["trades"] or 0) / missing.trades if missing.trades else None,
        "volume": int(row["volume"] or 0) / missing.volume if missing.volume else None,
    }


def _groups(rows: list[Document]) -> list[Document]:
    keys = sorted({str(row["part"] or "unknown") for row in rows})
    return [
        {
            "key": key,
            "gaps": [_gap(row) for row in sorted(rows, key=_place) if str(row["part"] or "unknown") == key],
        }
        for key in keys
    ]


def _place(row: Document) -> int:
    return _ORDER.index((row["missing"], row["of"]))
