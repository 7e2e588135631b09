"""Balancing a batch: the journal against the transfers, transaction by transaction, asset by asset."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from polyledger.store.keys import append
from polyledger.store.sql import script


@dataclass(frozen=True, slots=True)
class Difference:
    """Transfers less journal for one account and one asset in one transaction (1e-6 units).

    `token` is set for shares, `currency` (1 USDC, 2 wrapped collateral) for cash.
    """

    tx: int
    account: int
    token: int | None
    currency: int | None
    amount: int


def differences(connection: duckdb.DuckDBPyConnection, first: int, last: int) -> list[Difference]:
    """Every difference in the transactions first … last (tx keys, inclusive); empty where the books balance."""
    rows = connection.execute(script("polyledger.ledger", "differences"), {"first": first, "last": last}).fetchall()
    return [
        Difference(int(tx), int(account), token, currency, int(amount)) for tx, account, token, currency, amount in rows
    ]


def explain_plain(connection: duckdb.DuckDBPyConnection, found: list[Difference]) -> list[Difference]:
    """Mark as plain the transfers between ordinary accounts that explain a difference in full; return what is left.

    One transaction may both trade and send shares on (a Safe's multi-send). Its books then differ by exactly the
    transfers it made on its own account. Where they differ by anything else, nothing is explained away.
    """
    if not found:
        return []
    connection.register("batch_open", pa.table({"tx": sorted({difference.tx for difference in found})}))
    try:
        rows = connection.execute(script("polyledger.ledger", "plain_candidates")).fetchall()
    finally:
        connection.unregister("batch_open")
    open_lines: dict[tuple[int, object], dict[int, int]] = defaultdict(dict)
    for difference in found:
        asset = (difference.token, difference.currency)
        open_lines[difference.tx, asset][difference.account] = difference.amount
    candidates: dict[tuple[int, object], list[tuple[str, int, int, int, int, int]]] = defaultdict(list)
    for kind, tx, log_index, item, sender, recipient, token, currency, amount in rows:
        candidates[tx, (token, currency)].append((kind, log_index, item, sender, recipient, amount))
    plain: list[dict[str, object]] = []
    explained: set[tuple[int, object]] = set()
    for key, lines in open_lines.items():
        chosen = _matching_transfers(lines, candidates.get(key, []))
        if chosen is not None:
            explained.add(key)
            plain += [{"kind": kind, "tx": key[0], "log_index": log, "item": item} for kind, log, item in chosen]
    if plain:
        connection.register("batch_plain", pa.Table.from_pylist(plain))
        try:
            connection.execute(script("polyledger.ledger", "mark_plain_shares"))
            connection.execute(script("polyledger.ledger", "mark_plain_collateral"))
        finally:
            connection.unregister("batch_plain")
    return [d for d in found if (d.tx, (d.token, d.currency)) not in explained]


def _matching_transfers(
    lines: dict[int, int], candidates: list[tuple[str, int, int, int, int, int]]
) -> list[tuple[str, int, int]] | None:
    """The candidates whose sum is `lines`: all of them, or the one that is; None when neither fits."""
    for chosen in ([candidates] if candidates else []) + [[candidate] for candidate in candidates]:
        sums: dict[int, int] = defaultdict(int)
        for _, _, _, sender, recipient, amount in chosen:
            sums[sender] -= amount
            sums[recipient] += amount
        if {account: amount for account, amount in sums.items() if amount} == lines:
            return [(kind, log_index, item) for kind, log_index, item, *_ in chosen]
    return None


def store_unbalanced(connection: duckdb.DuckDBPyConnection, left: list[Difference]) -> None:
    """Keep the differences that nothing explains; `verify` names their transactions."""
    append(
        connection,
        "chain.unbalanced",
        pa.table(
            {
                "tx": pa.array([d.tx for d in left], pa.int64()),
                "account": pa.array([d.account for d in left], pa.int32()),
                "token": pa.array([d.token for d in left], pa.int32()),
                "currency": pa.array([d.currency for d in left], pa.uint8()),
                "difference": pa.array([d.amount for d in left], pa.int64()),
            }
        ),
    )
