"""What a ledger leaves out: the ``scope`` object beside its coverage."""

from __future__ import annotations

from typing import Any, Final

import duckdb

from polyledger.domain.scope import Scope, moment_text
from polyledger.store import scopes
from polyledger.store.database import Database

_LISTED: Final = "data_api:0x"
_NAMED: Final = 20  # wallets that a document lists; of more it gives the number


def ledger_scope(database: Database) -> dict[str, Any] | None:
    """What this ledger was limited to, and what that leaves out; None for a ledger of everything.

    ``wallets`` is a list of addresses, or of many their number; ``since`` is the time of the first block asked for.
    """
    with database.reading() as cursor:
        wallets = scopes.wallets_in_scope(cursor) if scopes.limits_views(cursor) else []
        start = scopes.starts_late(cursor)
        stamp = None if start is None else scopes.time_of(cursor, start)
        listed = [] if wallets else _listed(cursor)
        conversions = _conversions(cursor) if listed else 0
    if not wallets and start is None and not listed:
        return None
    named = [f"0x{wallet.hex()}" for wallet in wallets] or listed
    left_out = []
    if named:
        whom = "this wallet" if len(named) == 1 else f"these {len(named):,} wallets"
        left_out.append(f"transactions that {whom} had no part in, and so the rest of what others did")
    if listed:
        left_out.append("shares and USDC sent between wallets and fees, which the Data API does not list")
    if conversions:
        what = "a conversion" if conversions == 1 else f"{conversions:,} conversions"
        left_out.append(f"{what} of neg-risk shares, of which the Data API does not say which shares went in")
    if start is not None:
        left_out.append(f"everything before block {start:,}, such as what was held by then")
    return {
        "wallets": (named if len(named) <= _NAMED else len(named)) or None,
        "markets": None,
        "events": None,
        "categories": None,
        "since": None if stamp is None else moment_text(stamp),
        "until": None,
        "left_out": "; ".join(left_out),
    }


def _listed(cursor: duckdb.DuckDBPyConnection) -> list[str]:
    """The wallets of a ledger that holds nothing but what the Data API lists of them; else none."""
    rows = cursor.execute(
        "SELECT name FROM imported.files UNION SELECT source FROM imported.movements UNION "
        "SELECT 'chain' FROM meta.intervals ORDER BY name"
    ).fetchall()
    names = [str(name) for (name,) in rows]
    is_listed = all(name.startswith(_LISTED) for name in names)
    return [name.removeprefix("data_api:") for name in names] if is_listed else []


def _conversions(cursor: duckdb.DuckDBPyConnection) -> int:
    rows = cursor.execute("SELECT count(*) FROM imported.movements WHERE kind = 'CONVERSION'").fetchall()
    return int(rows[0][0])


def view_scope(database: Database, scope: Scope) -> dict[str, Any]:
    """The scope of a question put to a ledger, with what the ledger itself leaves out."""
    whole = ledger_scope(database)
    besides = "" if whole is None else f"; of that, {whole['left_out']}, which the ledger does not have"
    return {**scope.document(), "left_out": f"the rest of the ledger{besides}"}
