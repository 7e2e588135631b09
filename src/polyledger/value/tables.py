"""Documents as Arrow tables: one row per wallet, or per position; amounts as integers in millionths."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa

from polyledger.domain.amounts import parse_amount

_MONEY: Final = frozenset(
    {
        "realized_pnl", "cash_flow", "settled_value", "transferred_value", "low", "high", "volume", "unrealized_cost",
        "shares", "bought", "sold",
    }
)  # fmt: skip


def wallets_table(document: dict[str, Any]) -> pa.Table:
    """One row per wallet of a wallets document, coverage beside the figures."""
    return pa.Table.from_pylist([_flat(entry) for entry in document["wallets"]])


def positions_table(document: dict[str, Any]) -> pa.Table:
    """One row per outcome of a wallet document's positions."""
    rows = [
        {"wallet": document["wallet"], **_flat(position), **_flat(outcome)}
        for position in document["positions"]
        for outcome in position.get("outcomes", [])
    ]
    return pa.Table.from_pylist(rows)


def series_table(document: dict[str, Any]) -> pa.Table:
    """One row per day or week of a wallet document's series."""
    return pa.Table.from_pylist([{"wallet": document["wallet"], **_flat(row)} for row in document["series"]])


def coverage_table(document: dict[str, Any]) -> pa.Table:
    """Two rows, of trades and of volume, with what has each attribution and each state; volume in millionths."""
    rows = []
    for measure in ("trades", "volume"):
        row: dict[str, Any] = {**document[measure], "unconfirmed": document["unconfirmed"][measure]}
        amounts = {name: parse_amount(value) if measure == "volume" else value for name, value in row.items()}
        rows.append({"measure": measure, **amounts})
    return pa.Table.from_pylist(rows)


def categories_table(document: dict[str, Any]) -> pa.Table:
    """One row per category of a categories document, the last one for what has none."""
    return pa.Table.from_pylist([_flat(entry) for entry in (*document["categories"], document["uncategorized"])])


def distribution_table(document: dict[str, Any]) -> pa.Table:
    """One row per bin of a coverage-distribution document, by conditions."""
    return pa.Table.from_pylist([_flat(entry) for entry in document["conditions"]])


def conflicts_table(document: dict[str, Any]) -> pa.Table:
    """One row per contradiction of a conflicts document, without its claims."""
    return pa.Table.from_pylist(
        [{**_flat(found), "subject": found["subject"]["id"]} for found in document["conflicts"]]
    )


def _flat(entry: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, value in entry.items():
        if name == "coverage":
            row |= {f"coverage_{key}": share for key, share in value.items()}
        elif isinstance(value, list | dict):
            continue
        else:
            row[name] = parse_amount(value) if name in _MONEY and value is not None else value
    return row
