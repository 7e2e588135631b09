"""Profit by wallet and category, always with its coverage: the polyledger.wallets/1 and wallet/1 documents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import groupby
from typing import Any, Final

from polyledger.domain.amounts import MICRO, amount_text
from polyledger.domain.errors import UnknownSubjectError, UsageError
from polyledger.domain.ids import address_bytes, normal_address
from polyledger.store.database import Database
from polyledger.store.sql import script
from polyledger.value.marks import Mark, mark_value, marks, shown
from polyledger.value.standings import ADDITIVE, ORDERS, standings

_AMOUNTS: Final = ADDITIVE[:7]
_COUNTS: Final = ADDITIVE[8:]

Row = dict[str, Any]


def wallets(
    database: Database,
    *,
    order_by: str = "realized_pnl",
    limit: int | None = None,
    category: str | None = None,
    min_coverage: float | None = None,
    without_transferred: bool = False,
    ascending: bool = False,
) -> dict[str, Any]:
    """The polyledger.wallets/1 document, best first.

    Args:
        database: the ledger.
        order_by: one of `ORDERS`; addresses ascend, everything else descends.
        limit: how many wallets at most.
        category: rank by, and show, this category alone.
        min_coverage: leave out wallets with a smaller share of resolved conditions (0 to 1).
        without_transferred: leave out wallets whose profit rests on shares that they received by transfer.
        ascending: the least first.

    Raises:
        UsageError: an unknown column or category, or a share outside 0 to 1.
    """
    if order_by not in ORDERS:
        raise UsageError(f"Wallets cannot be ranked by {order_by!r}", f"Choose one of {', '.join(ORDERS)}")
    if min_coverage is not None and not 0 <= min_coverage <= 1:
        raise UsageError(f"{min_coverage} is not a share between 0 and 1", "Write 0.8 for 80 %")
    found = standings(database, category)
    kept = found.kept(min_coverage=min_coverage, without_transferred=without_transferred)
    places = found.order(found.column(order_by), kept, ascending=ascending != (order_by == "wallet"))
    return {"schema": "polyledger.wallets/1", "wallets": found.documents(places[:limit], wallet_documents)}


def wallet(database: Database, address: str, period: str = "") -> dict[str, Any]:
    """The polyledger.wallet/1 document of one address; `period` says in messages which part of time the ledger is of.

    Raises:
        MalformedIdError: not an address.
        UnknownSubjectError: an address without a line in the journal, or a contract or operator.
    """
    account, normal = account_of(database, address, period)
    rows = _own_categories(database, account, normal)
    if not rows:
        raise _nothing_of(normal, period)
    (document,) = wallet_documents(rows)
    priced = marks(database, account)
    positions = _positions(database, account, priced)
    return {"schema": "polyledger.wallet/1", **document, "mark_value": mark_value(priced), "positions": positions}


def account_of(database: Database, address: str, period: str = "") -> tuple[int, str]:
    """The key and the normal form of a wallet's address; raises as `wallet` does."""
    normal = normal_address(address)
    keys = database.query(
        "SELECT account, account IN (SELECT account FROM book.accounts_aside), "
        "account IN (SELECT account FROM book.accounts_outside) FROM dim.accounts WHERE address = ?",
        [address_bytes(normal)],
    )
    if keys and keys[0][2]:
        raise UnknownSubjectError(
            f"This ledger is of other wallets; of {normal} it has only what concerned them",
            f"Bring it in with 'polyledger sync --wallet {normal}'",
        )
    if keys and keys[0][1]:
        raise UnknownSubjectError(
            f"{normal} is a contract, an operator or a fee receiver, not a wallet",
            "Wallets are accounts that trade on their own behalf; 'polyledger sql' shows the journal of any account",
        )
    if not keys:
        raise _nothing_of(normal, period)
    return int(keys[0][0]), normal


def _nothing_of(wallet: str, period: str) -> UnknownSubjectError:
    return UnknownSubjectError(
        f"The ledger has nothing of the wallet {wallet}{period and f' {period}'}",
        "Check the address, or scan more blocks with 'polyledger sync'",
    )


def _own_categories(database: Database, account: int, address: str) -> list[Row]:
    rows = database.records(script("polyledger.value", "wallet_own_categories"), {"account": account})
    return [{"wallet": address, **row} for row in rows]


def wallet_documents(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The W objects of the contract from rows of book.wallet_categories, those of a wallet (address) together."""
    result = []
    for address, group in groupby(rows, key=lambda row: row["wallet"]):
        parts = list(group)
        categories = [{"category": part["category"], **figures([part])} for part in parts]
        result.append({"wallet": address, **figures(parts), "categories": categories})
    return result


def figures(rows: Sequence[Row]) -> dict[str, Any]:
    """The W keys of the contract, without wallet and categories, from rows with the columns of `ADDITIVE`."""
    sums = {name: sum(int(row[name]) for row in rows) for name in ADDITIVE}
    yes, no = sums["yes_conditions"], sums["no_conditions"]
    side = None
    if yes or no:
        side = "YES" if yes > 2 * no else "NO" if no > 2 * yes else "MIXED"
    return {
        **{name: amount_text(sums[name]) for name in _AMOUNTS},
        "coverage": {
            "conditions": _ratio(sums["resolved_conditions"], sums["traded_conditions"]),
            "volume": _ratio(sums["resolved_volume"], sums["volume"]),
        },
        **{name: sums[name] for name in _COUNTS[:3]},
        "win_rate": _ratio(sums["winning_conditions"], sums["resolved_conditions"]),
        "yes_conditions": yes,
        "no_conditions": no,
        "predominant_side": side,
        # Half of the profit or more is what shares pay that were not traded for.
        "rests_on_transfers": 0 < sums["realized_pnl"] <= 2 * sums["transferred_value"],
    }


def _positions(database: Database, account: int, priced: dict[int, Mark]) -> list[dict[str, Any]]:
    rows = database.records(script("polyledger.value", "wallet_positions"), {"account": account})
    positions: list[dict[str, Any]] = []
    for _, group in groupby(
        rows, key=lambda row: (row["condition"], row["token"] if row["condition"] is None else None)
    ):
        positions.append(_position(list(group), priced))
    groups = database.records(script("polyledger.value", "wallet_groups"), {"account": account})
    positions += [{"group": row["group"], "cash_flow": amount_text(int(row["cash"]))} for row in groups]
    return positions


def _position(rows: Sequence[Row], priced: dict[int, Mark]) -> dict[str, Any]:
    first = rows[0]
    cash, settled, missing = int(first["cash"]), int(first["settled"]), int(first["missing"])
    labels = first["outcomes"] or []
    slots = first["outcome_slots"] or 2
    all_slots_held = first["condition"] is not None and first["tokens"] >= slots
    least = 0 if first["resolved"] or not all_slots_held else int(first["least_held"])
    most = 0 if first["resolved"] else int(first["most_held"])
    numerators = first["numerators"]
    return {
        "condition": first["condition"],
        "market": first["market_id"],
        "question": first["question"],
        "category": first["category"],
        "event": first["event_id"],
        "outcomes": [
            {
                "token": row["token_id"],
                "outcome": _label(labels, row["outcome_index"], slots),
                "shares": amount_text(int(row["shares"])),
                "bought": amount_text(int(row["bought"])),
                "sold": amount_text(int(row["sold"])),
                "mark": shown(priced.get(row["token"])),
            }
            for row in rows
        ],
        "cash_flow": amount_text(cash),
        "settled_value": amount_text(settled),
        "realized_pnl": None if first["realized_pnl"] is None else amount_text(int(first["realized_pnl"])),
        "low": amount_text(cash + settled + least - missing),
        "high": amount_text(cash + settled + most),
        "payout": None
        if numerators is None
        else [amount_text(int(Fraction(int(n) * MICRO, sum(map(int, numerators))))) for n in numerators],
        "state": first["state"],
        "verdict": "claimed" if any(map(_only_claimed, rows)) else "proven",
        **_sources(rows),
    }


def _sources(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Where the fills of a position come from, said where not all of them are from the chain."""
    files = sorted({name for row in rows for name in row["files"] or []})
    if not files:
        return {}
    return {"sources": [*(["chain"] if any(row["on_chain"] for row in rows) else []), *files]}


def _only_claimed(row: Row) -> bool:
    """Whether what is said of a position, its condition or its payout, rests on the word of a source alone."""
    paid_by_word = row["numerators"] is not None and row["resolved_by"] != "chain"
    return row["condition"] is None or row["claimed"] or paid_by_word


def _label(labels: Sequence[str], index: int | None, slots: int) -> str | None:
    if index is None:
        return None
    if index < len(labels):
        return labels[index]
    return ("Yes", "No")[index] if slots == 2 else str(index)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
