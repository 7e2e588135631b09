"""Which transactions need their whole receipt, and how its logs join a scanned range. No I/O."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from polyledger.ctf.contracts import COLLATERAL_ROLES, ContractSet
from polyledger.ctf.events import ERC20_TRANSFER, ORDER_FILLED_V2
from polyledger.ctf.logs import LogColumns

Mask = NDArray[np.bool_]


def doubtful_transactions(logs: LogColumns, contracts: ContractSet) -> list[bytes]:
    """Hashes of transactions whose cash no filter has seen: V2 fills without any transfer of collateral.

    A V2 match of orders that complement each other moves collateral from wallet to wallet, past the exchange, so a
    filter on protocol addresses misses it unless all transfers of that collateral are taken (as those of pUSD are).
    """
    filled = np.flatnonzero(_has_topic(logs, ORDER_FILLED_V2.topic))
    if not len(filled):
        return []
    collaterals = contracts.addresses_of(COLLATERAL_ROLES)
    paid = _has_topic(logs, ERC20_TRANSFER.topic) & _emitted_by(logs, collaterals)
    transaction = logs.transaction
    doubtful = filled[~_among(transaction[filled], transaction[paid])]
    _, first = np.unique(transaction[doubtful], return_index=True)
    return [logs.transaction_hash[position].tobytes() for position in doubtful[first]]


def joined(logs: LogColumns, more: LogColumns, contracts: ContractSet) -> LogColumns:
    """The logs of a range and those of receipts, each log once; logs of other contracts are left out."""
    wanted = _emitted_by(more, [*contracts.log_addresses, *contracts.transfer_collaterals])
    fresh = ~_among((more.block << 32) | more.log_index, (logs.block << 32) | logs.log_index)
    return LogColumns.concat([logs, more.take(wanted & fresh)]).sort()


def union_of(logs: LogColumns, more: LogColumns) -> LogColumns:
    """All logs of two sorted sets, each once."""
    fresh = ~_among((more.block << 32) | more.log_index, (logs.block << 32) | logs.log_index)
    return LogColumns.concat([logs, more.take(fresh)]).sort()


def of_transactions(logs: LogColumns, hashes: Sequence[bytes]) -> LogColumns:
    """The logs of some transactions (32-byte hashes)."""
    if not len(logs):
        return logs
    return logs.take(np.isin(_words(logs.transaction_hash), _words(_rows(hashes))))


def without(hashes: Sequence[bytes], logs: LogColumns) -> list[bytes]:
    """The hashes of transactions of which `logs` has none."""
    if not len(logs):
        return list(hashes)
    found = np.isin(_words(_rows(hashes)), _words(logs.transaction_hash))
    return [one for one, there in zip(hashes, found, strict=True) if not there]


def _rows(hashes: Sequence[bytes]) -> NDArray[np.uint8]:
    return np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, 32)


def _words(hashes: NDArray[np.uint8]) -> NDArray[np.uint64]:
    # Eight bytes of a hash tell the transactions of one batch apart.
    return np.ascontiguousarray(hashes[:, :8]).view(np.uint64)[:, 0]


def _among(values: NDArray[np.int64], ordered: NDArray[np.int64]) -> Mask:
    """Which values occur in `ordered`, which is sorted as logs are."""
    if not len(ordered):
        return np.zeros(len(values), np.bool_)
    place = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    return np.asarray(ordered[place] == values, np.bool_)


def _has_topic(logs: LogColumns, topic: bytes) -> Mask:
    # The first eight bytes of a hash tell topics apart; the rest is compared only where they agree.
    head = np.ascontiguousarray(logs.topics[:, 0, :8]).view(np.uint64)[:, 0]
    mask: Mask = (head == np.frombuffer(topic[:8], np.uint64)[0]) & (logs.topic_count > 0)
    rows = np.flatnonzero(mask)
    mask[rows] = (logs.topics[rows, 0] == np.frombuffer(topic, np.uint8)).all(axis=1)
    return mask


def _emitted_by(logs: LogColumns, addresses: list[bytes] | tuple[bytes, ...]) -> Mask:
    mask = np.zeros(len(logs), np.bool_)
    for address in addresses:
        mask |= (logs.address == np.frombuffer(address, np.uint8)).all(axis=1)
    return mask
