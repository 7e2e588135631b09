"""The tables that the average-cost method maps to operations, and how their columns are read."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from polyledger.domain.errors import InvariantError
from polyledger.value.average_cost_kernel import Integers

_EVENT: Final = (("tx", pa.int64()), ("log_index", pa.int32()))
_KEY: Final = pa.int64()
_AMOUNT: Final = pa.int64()
_AMOUNTS: Final = pa.list_(pa.int64())


def _schema(*columns: tuple[str, pa.DataType]) -> pa.Schema:
    return pa.schema(list(columns))


EVENTS: Final[dict[str, pa.Schema]] = {
    "fills": _schema(
        *_EVENT, ("wallet", _KEY), ("side", pa.uint8()), ("token", _KEY), ("shares", _AMOUNT), ("collateral", _AMOUNT)
    ),
    "position_changes": _schema(
        *_EVENT,
        ("kind", pa.uint8()),
        ("stakeholder", _KEY),
        ("condition", _KEY),
        ("amount", _AMOUNT),
        ("by_adapter", pa.bool_()),
    ),
    "redemptions": _schema(
        *_EVENT, ("redeemer", _KEY), ("condition", _KEY), ("by_adapter", pa.bool_()), ("amounts", _AMOUNTS)
    ),
    "conversions": _schema(
        *_EVENT, ("stakeholder", _KEY), ("neg_risk_market", _KEY), ("index_set", pa.binary(32)), ("amount", _AMOUNT)
    ),
    "amm_trades": _schema(
        *_EVENT,
        ("pool", _KEY),
        ("trader", _KEY),
        ("side", pa.uint8()),
        ("outcome_index", pa.int32()),
        ("collateral", _AMOUNT),
        ("shares", _AMOUNT),
    ),
    "amm_funding": _schema(
        *_EVENT,
        ("pool", _KEY),
        ("funder", _KEY),
        ("kind", pa.uint8()),
        ("amounts", _AMOUNTS),
        ("collateral_from_fees", _AMOUNT),
        ("pool_shares", _AMOUNT),
    ),
    # Pools of one condition. `share_token` is the key that positions in the pool's own shares get.
    "amm_pools": _schema(("pool", _KEY), ("condition", _KEY), ("share_token", _KEY)),
    # Two-outcome conditions; their tokens by WCOL when the oracle is the neg-risk adapter, by USDC.e otherwise.
    "conditions": _schema(("condition", _KEY), ("first_token", _KEY), ("second_token", _KEY)),
    "questions": _schema(*_EVENT, ("neg_risk_market", _KEY), ("question_index", pa.int32()), ("condition", _KEY)),
    "resolutions": _schema(*_EVENT, ("condition", _KEY), ("numerators", _AMOUNTS)),
}
"""Shapes of the tables that :func:`operations` takes: the decoded tables with integer keys in place of long ids."""


_BLOCK_BITS, _LOG_BITS, _ITEM_BITS = 28, 20, 15


def numbers(table: pa.Table, name: str) -> Integers:
    if table.column(name).null_count:
        raise InvariantError(f"the column {name} of an average-cost table has nulls", "every event must have its keys")
    return np.asarray(table.column(name).to_numpy()).astype(np.int64, copy=False)


def pairs(table: pa.Table, name: str) -> Integers:
    """A column of lists of two integers as an (n, 2) array."""
    lists = table.column(name).combine_chunks()
    if lists.null_count or pc.any(pc.not_equal(pc.list_value_length(lists), 2)).as_py():
        raise InvariantError(
            f"the column {name} of a two-outcome event has not two values in each row", "check the decoding"
        )
    return np.asarray(lists.flatten().to_numpy(zero_copy_only=False)).astype(np.int64).reshape(-1, 2)


def find(keys: Integers, wanted: Integers) -> Integers:
    """Place of each wanted value in sorted keys, -1 where it is not there."""
    if not keys.size:
        return np.full(len(wanted), -1, np.int64)
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, place, -1)


def order_key(table: pa.Table) -> Integers:
    """One integer per event that sorts as (block, log index), with room for the operations of one event."""
    block, log_index = numbers(table, "tx") >> 16, numbers(table, "log_index")
    if table.num_rows and (
        int(block.max()) >> _BLOCK_BITS or int(log_index.max()) >> _LOG_BITS or min(block.min(), log_index.min()) < 0
    ):
        raise InvariantError(
            f"block {block.max()} or log index {log_index.max()} is out of range",
            f"blocks are below 2^{_BLOCK_BITS} and log indexes below 2^{_LOG_BITS}",
        )
    order: Integers = (block << (_LOG_BITS + _ITEM_BITS)) | (log_index << _ITEM_BITS)
    return order
