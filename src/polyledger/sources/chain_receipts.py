"""The fills of single transactions, decoded from the logs of their receipts. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np

from polyledger.ctf import events
from polyledger.ctf.contracts import ContractSet
from polyledger.ctf.decode import decode
from polyledger.ctf.logs import LogColumns
from polyledger.ctf.tables import BUY
from polyledger.domain.ids import address_text, hash_text, token_text
from polyledger.domain.records import FillRecord

MAKER, TAKER, OPERATOR, POOL = 0, 1, 2, 3
_POOL_TOPICS: Final = (events.FPMM_BUY.topic, events.FPMM_SELL.topic)


def fills_of(logs: LogColumns, contracts: ContractSet) -> list[FillRecord]:
    """All legs in the logs of whole transactions: ``OrderFilled`` of every exchange, and trades with AMM pools.

    Anyone can emit the event of a pool. It counts only beside a transfer of exactly these shares between the pool and
    the trader, which none but the conditional tokens contract can log; the transfer also names the token.
    """
    decoded = decode(logs, contracts, _emitters(logs))
    hashes = {row["tx"]: hash_text(row["hash"]) for row in decoded.tables["transactions"].to_pylist()}
    fills = decoded.tables["fills"].to_pylist()
    legs = [_leg(row, role, hashes) for row, role in zip(fills, _roles(fills), strict=True)]
    moved = {
        (row["tx"], row["sender"], row["recipient"], row["amount"]): row["token"]
        for row in decoded.tables["share_transfers"].to_pylist()
    }
    for row in decoded.tables["amm_trades"].to_pylist():
        way = (row["contract"], row["trader"]) if row["side"] == BUY else (row["trader"], row["contract"])
        token = moved.get((row["tx"], *way, row["shares"]))
        if token is not None:
            named = row | {"wallet": row["trader"], "counterparty": row["contract"], "token": token}
            legs.append(_leg(named, POOL, hashes))
    return sorted(legs, key=lambda leg: (leg.block, leg.log_index))


def _emitters(logs: LogColumns) -> frozenset[bytes]:
    """Who logged what pools log."""
    first = logs.topics[:, 0]
    found = np.zeros(len(logs), np.bool_)
    for topic in _POOL_TOPICS:
        found |= (first == np.frombuffer(topic, np.uint8)).all(axis=1) & (logs.topic_count > 0)
    return frozenset(row.tobytes() for row in logs.address[found])


def _roles(fills: list[dict[str, Any]]) -> list[int]:
    """The role of each leg, in chain order: a match is the run of maker legs before the taker leg of one exchange.

    A leg whose counterparty is no exchange, and which no taker leg follows, was filled by an operator.
    """
    roles = [OPERATOR] * len(fills)
    closing: dict[tuple[int, bytes], bytes] = {}  # the taker of the next taker leg, from the end on
    for at in reversed(range(len(fills))):
        row = fills[at]
        place = (row["tx"], row["contract"])
        if row["counterparty"] == row["contract"]:
            roles[at] = TAKER
            closing[place] = row["wallet"]
        elif closing.get(place) == row["counterparty"]:
            roles[at] = MAKER
    return roles


def _leg(row: Mapping[str, Any], role: int, hashes: Mapping[int, str]) -> FillRecord:
    return FillRecord(
        transaction_hash=hashes[row["tx"]],
        block=row["tx"] >> 16,
        log_index=row["log_index"],
        contract=address_text(row["contract"]),
        wallet=address_text(row["wallet"]),
        counterparty=address_text(row["counterparty"]),
        role=role,
        side=row["side"],
        token_id=token_text(row["token"]),
        shares=row["shares"],
        collateral=row["collateral"],
        fee=row["fee"],
    )


def by_transaction(legs: Iterable[FillRecord]) -> dict[str, list[FillRecord]]:
    """The legs of each transaction."""
    grouped: dict[str, list[FillRecord]] = {}
    for leg in legs:
        grouped.setdefault(leg.transaction_hash, []).append(leg)
    return grouped
