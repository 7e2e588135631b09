"""Which event fills which table: one entry per event, with the roles whose contracts emit it.

Each function reads the logs of one event and returns the columns of its table; a value that does not fit is refused
through the reader, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from polyledger.ctf import events
from polyledger.ctf.contracts import COLLATERAL_ROLES, EXCHANGE_ROLES, Role
from polyledger.ctf.events import Event
from polyledger.ctf.reader import Arrays, Bytes, Integers, Mask, Reader, address_array, is_zero, list_array, word_array
from polyledger.ctf.tables import ADMIN, AMOUNTS, BUY, INDEX, KIND, MERGE, OPERATOR, SELL, SPLIT, WORD

Columns = dict[str, pa.Array]
_MOST_PARTS: Final = 62
_INDEX_LIMIT: Final = 1 << 31


@dataclass(frozen=True, slots=True)
class Layout:
    """How the logs of one event become rows of one table.

    Attributes:
        event: what the logs look like.
        table: which table they fill.
        roles: whose logs they may be; None for logs of AMM pools, which are known by address.
        read: the columns, one value per log, or per element where `owner` is given.
        owner: for events whose array elements become rows of their own: the log of each element.
    """

    event: Event
    table: str
    roles: frozenset[Role] | None
    read: Callable[[Reader], Columns]
    owner: Callable[[Reader], Integers] | None = None


def _same(value: int, reader: Reader, kind: pa.DataType = KIND) -> pa.Array:
    return pa.repeat(pa.scalar(value, type=kind), len(reader))


def _index(reader: Reader, name: str, below: int = _INDEX_LIMIT) -> pa.Array:
    return pa.array(reader.amount(name, below=below).astype(np.int32))


# --- tokens
def _collateral_transfer(reader: Reader) -> Columns:
    return {
        "contract": address_array(reader.contract),
        "sender": address_array(reader.address("sender")),
        "recipient": address_array(reader.address("recipient")),
        "amount": pa.array(reader.amount("amount")),
    }


def _share_transfer(reader: Reader) -> Columns:
    return {
        "item": _same(0, reader, INDEX),
        "contract": address_array(reader.contract),
        "operator": address_array(reader.address("operator")),
        "sender": address_array(reader.address("sender")),
        "recipient": address_array(reader.address("recipient")),
        "token": word_array(reader.word("token")),
        "amount": pa.array(reader.amount("amount")),
    }


def _share_transfer_batch(reader: Reader) -> Columns:
    tokens = reader.array("tokens")
    amounts, array = reader.amounts("amounts")
    uneven = tokens.lengths != array.lengths
    reader.refuse(uneven, "tokens and amounts differ in number")
    if bool(uneven.any()):  # these logs are refused; their amounts are padded or cut so that the columns stay aligned
        amounts = _aligned(amounts, array.offsets, tokens)
    owner = tokens.owner
    return {
        "item": pa.array(tokens.item.astype(np.int32)),
        "contract": address_array(reader.contract[owner]),
        "operator": address_array(reader.address("operator")[owner]),
        "sender": address_array(reader.address("sender")[owner]),
        "recipient": address_array(reader.address("recipient")[owner]),
        "token": word_array(tokens.words),
        "amount": pa.array(amounts),
    }


def _aligned(values: Integers, offsets: Integers, like: Arrays) -> Integers:
    source = offsets[:-1][like.owner] + like.item
    inside = source < offsets[1:][like.owner]
    aligned = np.zeros(len(source), dtype=np.int64)
    aligned[inside] = values[source[inside]]
    return aligned


# --- exchanges
def _trade(reader: Reader, side: Integers, token: Bytes, layout: int) -> Columns:
    """The columns that fills and matches share; an order that buys gives collateral, one that sells gives shares."""
    maker, taker = reader.amount("maker_amount"), reader.amount("taker_amount")
    buys = side == BUY
    return {
        "contract": address_array(reader.contract),
        "order_hash": word_array(reader.word("order_hash")),
        "wallet": address_array(reader.address("maker")),
        "side": pa.array(side.astype(np.uint8)),
        "token": word_array(token),
        "shares": pa.array(np.where(buys, taker, maker)),
        "collateral": pa.array(np.where(buys, maker, taker)),
        "layout": _same(layout, reader),
    }


def _trade_v1(reader: Reader) -> Columns:
    maker_asset, taker_asset = reader.word("maker_asset"), reader.word("taker_asset")
    buys, sells = is_zero(maker_asset), is_zero(taker_asset)
    reader.refuse(buys == sells, "exactly one of the two assets must be collateral")
    side = np.where(buys, BUY, SELL)
    return _trade(reader, side, np.where(buys[:, None], taker_asset, maker_asset), 1)


def _trade_v2(reader: Reader) -> Columns:
    return _trade(reader, reader.amount("side", below=2), reader.word("token"), 2)


def _fill_extras(reader: Reader) -> Columns:
    return {"counterparty": address_array(reader.address("taker")), "fee": pa.array(reader.amount("fee"))}


def _fill_v1(reader: Reader) -> Columns:
    return {**_trade_v1(reader), **_fill_extras(reader), "builder": pa.nulls(len(reader), WORD)}


def _fill_v2(reader: Reader) -> Columns:
    builder = reader.word("builder")
    return {**_trade_v2(reader), **_fill_extras(reader), "builder": word_array(builder, ~is_zero(builder))}


def _fee_charged_v1(reader: Reader) -> Columns:
    return {
        "contract": address_array(reader.contract),
        "receiver": address_array(reader.address("receiver")),
        "token": word_array(reader.word("token")),
        "amount": pa.array(reader.amount("amount")),
    }


def _fee_charged_v2(reader: Reader) -> Columns:
    return {
        "contract": address_array(reader.contract),
        "receiver": address_array(reader.address("receiver")),
        "token": word_array(np.zeros((len(reader), 32), dtype=np.uint8)),
        "amount": pa.array(reader.amount("amount")),
    }


def _fee_refund(reader: Reader) -> Columns:
    return {
        "contract": address_array(reader.contract),
        "order_hash": word_array(reader.word("order_hash")),
        "recipient": address_array(reader.address("recipient")),
        "token": word_array(reader.word("token")),
        "refund": pa.array(reader.amount("refund")),
        "fee_charged": pa.array(reader.amount("fee_charged")),
    }


def _registration(reader: Reader) -> Columns:
    return {
        "contract": address_array(reader.contract),
        "token0": word_array(reader.word("token0")),
        "token1": word_array(reader.word("token1")),
        "condition": word_array(reader.word("condition")),
    }


def _access(kind: int, *, granted: bool, account_first: bool) -> Callable[[Reader], Columns]:
    account, by = ("first", "second") if account_first else ("second", "first")

    def read(reader: Reader) -> Columns:
        return {
            "contract": address_array(reader.contract),
            "account": address_array(reader.address(account)),
            "by": address_array(reader.address(by)),
            "kind": _same(kind, reader),
            "granted": pa.repeat(pa.scalar(granted), len(reader)),
        }

    return read


# --- ConditionalTokens
def _preparation(reader: Reader) -> Columns:
    return {
        "condition": word_array(reader.word("condition")),
        "oracle": address_array(reader.address("oracle")),
        "question_id": word_array(reader.word("question_id")),
        "outcome_slots": _index(reader, "outcome_slots"),
    }


def _resolution(reader: Reader) -> Columns:
    numerators, array = reader.amounts("numerators")
    reader.refuse(array.lengths != reader.amount("outcome_slots"), "numerators and outcome slots differ in number")
    return {**_preparation(reader), "numerators": list_array(pa.array(numerators), array.offsets)}


def _top_level(reader: Reader) -> None:
    reader.refuse(~is_zero(reader.word("parent")), "a position within another position is not supported")


def _position_change(kind: int) -> Callable[[Reader], Columns]:
    def read(reader: Reader) -> Columns:
        _top_level(reader)
        parts, array = reader.amounts("partition")
        # Only the split into single outcomes, in order: 1, 2, 4, …
        odd: Mask = (array.lengths < 2) | (array.lengths > _MOST_PARTS)
        odd[array.owner[parts != np.left_shift(1, np.minimum(array.item, _MOST_PARTS))]] = True
        reader.refuse(odd, "the partition is not into single outcomes")
        return {
            "contract": address_array(reader.contract),
            "kind": _same(kind, reader),
            "stakeholder": address_array(reader.address("stakeholder")),
            "collateral": address_array(reader.address("collateral")),
            "condition": word_array(reader.word("condition")),
            "amount": pa.array(reader.amount("amount")),
            "partition_size": pa.array(array.lengths.astype(np.int32)),
        }

    return read


def _redemption(reader: Reader) -> Columns:
    _top_level(reader)
    index_sets, array = reader.amounts("index_sets")
    return {
        "contract": address_array(reader.contract),
        "redeemer": address_array(reader.address("redeemer")),
        "collateral": address_array(reader.address("collateral")),
        "condition": word_array(reader.word("condition")),
        "payout": pa.array(reader.amount("payout")),
        "index_sets": list_array(pa.array(index_sets), array.offsets),
        "amounts": pa.nulls(len(reader), AMOUNTS),
    }


# --- NegRiskAdapter
def _no_collateral(reader: Reader) -> pa.Array:
    return address_array(np.zeros((len(reader), 20), dtype=np.uint8))


def _adapter_change(kind: int) -> Callable[[Reader], Columns]:
    def read(reader: Reader) -> Columns:
        return {
            "contract": address_array(reader.contract),
            "kind": _same(kind, reader),
            "stakeholder": address_array(reader.address("stakeholder")),
            "collateral": _no_collateral(reader),
            "condition": word_array(reader.word("condition")),
            "amount": pa.array(reader.amount("amount")),
            "partition_size": _same(2, reader, INDEX),
        }

    return read


def _adapter_redemption(reader: Reader) -> Columns:
    amounts, array = reader.amounts("amounts")
    return {
        "contract": address_array(reader.contract),
        "redeemer": address_array(reader.address("redeemer")),
        "collateral": _no_collateral(reader),
        "condition": word_array(reader.word("condition")),
        "payout": pa.array(reader.amount("payout")),
        "index_sets": pa.nulls(len(reader), AMOUNTS),
        "amounts": list_array(pa.array(amounts), array.offsets),
    }


def _conversion(reader: Reader) -> Columns:
    return {
        "stakeholder": address_array(reader.address("stakeholder")),
        "neg_risk_market": word_array(reader.word("neg_risk_market")),
        "index_set": word_array(reader.word("index_set")),
        "amount": pa.array(reader.amount("amount")),
    }


def _neg_risk_market(reader: Reader) -> Columns:
    return {
        "neg_risk_market": word_array(reader.word("neg_risk_market")),
        "oracle": address_array(reader.address("oracle")),
        "fee_bips": pa.array(reader.amount("fee_bips")),
    }


def _neg_risk_question(reader: Reader) -> Columns:
    return {
        "neg_risk_market": word_array(reader.word("neg_risk_market")),
        "question_id": word_array(reader.word("question_id")),
        "question_index": _index(reader, "question_index"),
    }


def _outcome_reported(reader: Reader) -> Columns:
    return {
        "neg_risk_market": word_array(reader.word("neg_risk_market")),
        "question_id": word_array(reader.word("question_id")),
        "outcome": pa.array(reader.amount("outcome", below=2).astype(np.bool_)),
    }


_CTF: Final = frozenset({Role.CONDITIONAL_TOKENS})
_ADAPTER: Final = frozenset({Role.NEG_RISK_ADAPTER})
_SHARES: Final = frozenset({Role.CONDITIONAL_TOKENS, Role.POSITION_MANAGER})
_ACTING_ADMIN_FIRST: Final = frozenset({Role.NEG_RISK_ADAPTER, Role.NEG_RISK_OPERATOR, Role.FEE_MODULE})


def _access_layouts() -> tuple[Layout, ...]:
    return tuple(
        Layout(event, "roles", roles, _access(kind, granted=granted, account_first=account_first))
        for event, kind, granted in (
            (events.NEW_OPERATOR, OPERATOR, True),
            (events.NEW_ADMIN, ADMIN, True),
            (events.REMOVED_OPERATOR, OPERATOR, False),
            (events.REMOVED_ADMIN, ADMIN, False),
        )
        for roles, account_first in ((EXCHANGE_ROLES, True), (_ACTING_ADMIN_FIRST, False))
    )


CORE_LAYOUTS: Final = (
    Layout(events.ERC20_TRANSFER, "collateral_transfers", COLLATERAL_ROLES, _collateral_transfer),
    Layout(events.TRANSFER_SINGLE, "share_transfers", _SHARES, _share_transfer),
    Layout(
        events.TRANSFER_BATCH,
        "share_transfers",
        _SHARES,
        _share_transfer_batch,
        owner=lambda reader: reader.array("tokens").owner,
    ),
    Layout(events.ORDER_FILLED_V1, "fills", EXCHANGE_ROLES, _fill_v1),
    Layout(events.ORDER_FILLED_V2, "fills", EXCHANGE_ROLES, _fill_v2),
    Layout(events.ORDERS_MATCHED_V1, "matches", EXCHANGE_ROLES, _trade_v1),
    Layout(events.ORDERS_MATCHED_V2, "matches", EXCHANGE_ROLES, _trade_v2),
    Layout(events.FEE_CHARGED_V1, "fees_charged", EXCHANGE_ROLES, _fee_charged_v1),
    Layout(events.FEE_CHARGED_V2, "fees_charged", EXCHANGE_ROLES, _fee_charged_v2),
    Layout(events.FEE_REFUNDED, "fee_refunds", frozenset({Role.FEE_MODULE}), _fee_refund),
    Layout(events.TOKEN_REGISTERED, "registrations", EXCHANGE_ROLES, _registration),
    Layout(events.CONDITION_PREPARATION, "preparations", _CTF, _preparation),
    Layout(events.CONDITION_RESOLUTION, "resolutions", _CTF, _resolution),
    Layout(events.POSITION_SPLIT, "position_changes", _CTF, _position_change(SPLIT)),
    Layout(events.POSITIONS_MERGE, "position_changes", _CTF, _position_change(MERGE)),
    Layout(events.PAYOUT_REDEMPTION, "redemptions", _CTF, _redemption),
    Layout(events.ADAPTER_SPLIT, "position_changes", _ADAPTER, _adapter_change(SPLIT)),
    Layout(events.ADAPTER_MERGE, "position_changes", _ADAPTER, _adapter_change(MERGE)),
    Layout(events.ADAPTER_REDEMPTION, "redemptions", _ADAPTER, _adapter_redemption),
    Layout(events.ADAPTER_CONVERSION, "conversions", _ADAPTER, _conversion),
    Layout(events.MARKET_PREPARED, "neg_risk_markets", _ADAPTER, _neg_risk_market),
    Layout(events.QUESTION_PREPARED, "neg_risk_questions", _ADAPTER, _neg_risk_question),
    Layout(events.OUTCOME_REPORTED, "outcomes_reported", _ADAPTER, _outcome_reported),
    *_access_layouts(),
)
