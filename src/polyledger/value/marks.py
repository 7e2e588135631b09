"""What open shares would bring at the last price: an estimate beside the figures of the books, never part of them."""

from __future__ import annotations

from typing import Any

from polyledger.domain.amounts import MICRO, amount_text
from polyledger.domain.periods import Period
from polyledger.store.database import Database
from polyledger.store.moments import moment_of
from polyledger.store.sql import script

Document = dict[str, Any]
Mark = dict[str, Any]


def marks(database: Database, account: int) -> dict[int, Mark]:
    """Per position (key) with open shares what the last price says of it.

    Each mark is {"price": USDC a share, "value": of the shares held, "age_seconds": from that fill to the last block
    of the ledger or its period, "of": "own" or "other outcome"}; price, value and age are null where nothing traded.
    """
    now = moment_of(database, Period()).timestamp
    rows = database.records(script("polyledger.value", "marks"), {"account": account})
    return {int(row["token"]): _mark(row, now) for row in rows}


def mark_value(found: dict[int, Mark]) -> Document | None:
    """The marks of a wallet in one: {"estimate": true, "value", "unpriced_positions", "oldest_seconds"}; None where
    nothing is open."""
    if not found:
        return None
    ages = [mark["age_seconds"] for mark in found.values() if mark["age_seconds"] is not None]
    return {
        "estimate": True,
        "value": amount_text(sum(mark["micro"] for mark in found.values())),
        "open_positions": len(found),
        "unpriced_positions": sum(mark["price"] is None for mark in found.values()),
        "oldest_seconds": max(ages, default=None),
    }


def shown(mark: Mark | None) -> Document | None:
    """A mark as it stands beside an outcome."""
    return None if mark is None else {name: value for name, value in mark.items() if name != "micro"}


def _mark(row: Document, now: int) -> Mark:
    if row["shares"] is None:
        return {"price": None, "value": None, "age_seconds": None, "of": None, "micro": 0}
    paid, shares, held = int(row["paid"]), int(row["shares"]), int(row["held"])
    value = held * paid // shares
    return {
        "price": amount_text(paid * MICRO // shares),
        "value": amount_text(value),
        "age_seconds": None if row["timestamp"] is None else max(0, now - int(row["timestamp"])),
        "of": "own" if row["own"] else "other outcome",
        "micro": value,
    }
