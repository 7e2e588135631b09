"""Layouts of the automated market makers and of Protocol V2; tried on made logs only, no recorded ones exist."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import pyarrow as pa

from polyledger.ctf import events
from polyledger.ctf.contracts import Role
from polyledger.ctf.layouts import Columns, Layout
from polyledger.ctf.reader import Reader, address_array, list_array, word_array
from polyledger.ctf.tables import (
    ADDRESS,
    AMOUNT,
    BUY,
    FUNDING_ADDED,
    FUNDING_REMOVED,
    INDEX,
    KIND,
    PROTOCOL_KINDS,
    SELL,
)

_MODULES: Final = frozenset({Role.PROTOCOL_MODULE})


def _pool(reader: Reader) -> Columns:
    conditions = reader.array("conditions")
    return {
        "contract": address_array(reader.contract),
        "creator": address_array(reader.address("creator")),
        "pool": address_array(reader.address("pool")),
        "conditional_tokens": address_array(reader.address("conditional_tokens")),
        "collateral": address_array(reader.address("collateral")),
        "conditions": list_array(word_array(conditions.words), conditions.offsets),
        "fee": word_array(reader.word("fee")),
    }


def _pool_trade(side: int) -> Callable[[Reader], Columns]:
    def read(reader: Reader) -> Columns:
        return {
            "contract": address_array(reader.contract),
            "trader": address_array(reader.address("trader")),
            "side": pa.repeat(pa.scalar(side, type=KIND), len(reader)),
            "outcome_index": pa.array(reader.amount("outcome_index", below=256).astype(np.int32)),
            "collateral": pa.array(reader.amount("collateral")),
            "fee": pa.array(reader.amount("fee")),
            "shares": pa.array(reader.amount("shares")),
        }

    return read


def _pool_funding(kind: int) -> Callable[[Reader], Columns]:
    def read(reader: Reader) -> Columns:
        amounts, array = reader.amounts("amounts")
        removed = kind == FUNDING_REMOVED
        fees = reader.amount("collateral_from_fees") if removed else np.zeros(len(reader), dtype=np.int64)
        return {
            "contract": address_array(reader.contract),
            "funder": address_array(reader.address("funder")),
            "kind": pa.repeat(pa.scalar(kind, type=KIND), len(reader)),
            "amounts": list_array(pa.array(amounts), array.offsets),
            "collateral_from_fees": pa.array(fees),
            "pool_shares": pa.array(reader.amount("pool_shares")),
        }

    return read


def _protocol_resolution(reader: Reader) -> Columns:
    payouts, array = reader.amounts("payouts")
    return {
        "contract": address_array(reader.contract),
        "condition": word_array(reader.word("condition")),
        "payouts": list_array(pa.array(payouts), array.offsets),
    }


def _protocol_change(kind: str, subject: str) -> Callable[[Reader], Columns]:
    def read(reader: Reader) -> Columns:
        count = len(reader)
        columns = {
            "contract": address_array(reader.contract),
            "kind": pa.repeat(pa.scalar(PROTOCOL_KINDS.index(kind), type=KIND), count),
            "initiator": address_array(reader.address("initiator")),
            "recipient": address_array(reader.address("recipient")),
            "second_recipient": pa.nulls(count, ADDRESS),
            "subject": word_array(reader.word(subject)),
            "condition_index": pa.nulls(count, INDEX),
            "amount": pa.array(reader.amount("amount")),
            "payout": pa.nulls(count, AMOUNT),
        }
        if kind == "split":
            columns["second_recipient"] = address_array(reader.address("second_recipient"))
        elif kind == "redemption":
            columns["payout"] = pa.array(reader.amount("payout"))
        elif kind == "conversion":
            columns["condition_index"] = pa.array(reader.amount("condition_index", below=1 << 16).astype(np.int32))
        return columns

    return read


AMM_LAYOUTS: Final = (
    Layout(events.FPMM_CREATION, "amm_pools", frozenset({Role.FPMM_FACTORY}), _pool),
    Layout(events.FPMM_BUY, "amm_trades", None, _pool_trade(BUY)),
    Layout(events.FPMM_SELL, "amm_trades", None, _pool_trade(SELL)),
    Layout(events.FPMM_FUNDING_ADDED, "amm_funding", None, _pool_funding(FUNDING_ADDED)),
    Layout(events.FPMM_FUNDING_REMOVED, "amm_funding", None, _pool_funding(FUNDING_REMOVED)),
)
PROTOCOL_LAYOUTS: Final = (
    Layout(events.PROTOCOL_CONDITION_RESOLVED, "protocol_resolutions", _MODULES, _protocol_resolution),
    *(
        Layout(event, "protocol_changes", _MODULES, _protocol_change(kind, subject))
        for event, kind, subject in (
            (events.PROTOCOL_SPLIT, "split", "condition"),
            (events.PROTOCOL_MERGE, "merge", "condition"),
            (events.PROTOCOL_REDEMPTION, "redemption", "token"),
            (events.PROTOCOL_CONVERSION, "conversion", "event_id"),
            (events.PROTOCOL_HORIZONTAL_SPLIT, "horizontal split", "event_id"),
            (events.PROTOCOL_HORIZONTAL_MERGE, "horizontal merge", "event_id"),
        )
    ),
)
