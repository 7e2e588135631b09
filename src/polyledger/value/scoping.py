"""What a ledger leaves out: the ``scope`` object beside its coverage."""

from __future__ import annotations

from typing import Any, Final

from polyledger.domain.scope import Scope, moment_text
from polyledger.store import scopes
from polyledger.store.database import Database

_NAMED: Final = 20  # wallets that a document lists; of more it gives the number


def ledger_scope(database: Database) -> dict[str, Any] | None:
    """What the scans of this ledger were limited to, and what that leaves out; None for a ledger of everything.

    ``wallets`` is a list of addresses, or of many their number; ``since`` is the time of the first block asked for.
    """
    with database.reading() as cursor:
        wallets = scopes.wallets_in_scope(cursor) if scopes.limits_views(cursor) else []
        start = scopes.starts_late(cursor)
        stamp = None if start is None else scopes.time_of(cursor, start)
    if not wallets and start is None:
        return None
    left_out = []
    if wallets:
        whom = "this wallet" if len(wallets) == 1 else f"these {len(wallets):,} wallets"
        left_out.append(f"transactions that {whom} had no part in, and so the rest of what others did")
    if start is not None:
        left_out.append(f"everything before block {start:,}, such as what was held by then")
    named = [f"0x{wallet.hex()}" for wallet in wallets]
    return {
        "wallets": (named if len(named) <= _NAMED else len(named)) or None,
        "markets": None,
        "events": None,
        "categories": None,
        "since": None if stamp is None else moment_text(stamp),
        "until": None,
        "left_out": "; ".join(left_out),
    }


def view_scope(database: Database, scope: Scope) -> dict[str, Any]:
    """The scope of a question put to a ledger, with what the ledger itself leaves out."""
    whole = ledger_scope(database)
    besides = "" if whole is None else f"; of that, {whole['left_out']}, which the ledger does not have"
    return {**scope.document(), "left_out": f"the rest of the ledger{besides}"}
