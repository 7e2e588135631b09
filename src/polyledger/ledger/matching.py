"""What a batch of decoded events implies, worked out before it is stored: pure functions over Arrow and numpy.

A batch holds whole blocks, so every transaction is complete in it. Worked out here: the role of each fill and the match
it belongs to, what the taker got back unused, which refund belongs to which fill, which burns a redemption caused, and
which transfers nobody but their sender caused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from polyledger.ctf.contracts import EXCHANGE_ROLES, ContractSet, Role

Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

ZERO_ADDRESS: Final = bytes(20)
MAKER, TAKER, OPERATOR, AMM = 0, 1, 2, 3
# Tables whose rows move shares or collateral: a transaction with one of them is a protocol transaction.
BOOK_TABLES: Final = (
    "fills", "fees_charged", "fee_refunds", "position_changes", "redemptions", "conversions", "amm_trades",
    "amm_funding",
)  # fmt: skip
# Collateral leaves these only because of an event; the others may send it on by an administrator's hand.
_ACCOUNTABLE: Final = EXCHANGE_ROLES | {
    Role.CONDITIONAL_TOKENS,
    Role.NEG_RISK_ADAPTER,
    Role.WRAPPED_COLLATERAL,
}


@dataclass(frozen=True, slots=True)
class FillDetails:
    """Per fill, in their order: role, log index of the closing taker leg (-1 = none), leftover and refund."""

    role: npt.NDArray[np.uint8]
    match_log_index: npt.NDArray[np.int32]
    leftover: Integers
    fee_refund: Integers


def integers(table: pa.Table, name: str) -> Integers:
    """A column as int64 numpy; it must have no nulls."""
    values: Integers = table.column(name).to_numpy().astype(np.int64, copy=False)
    return values


def position_key(table: pa.Table) -> Integers:
    """Block and log index as one sortable integer (log indexes are block-wide)."""
    return ((integers(table, "tx") >> 16) << 24) | integers(table, "log_index")


def fill_details(fills: pa.Table, refunds: pa.Table) -> FillDetails:
    """Group the legs of each match and work out leftovers. `fills` must be sorted by block and log index.

    A match is the run of maker legs before a taker leg of the same exchange in the same transaction, as the exchanges
    emit them. A leg with neither is one that an operator filled out of its own pocket (fillOrder).
    """
    count = fills.num_rows
    tx, log_index = integers(fills, "tx"), integers(fills, "log_index")
    contract, wallet, counterparty, token = _codes(fills, ("contract", "wallet", "counterparty")) + _codes(
        fills, ("token",)
    )
    side, shares, collateral = integers(fills, "side"), integers(fills, "shares"), integers(fills, "collateral")
    is_taker = counterparty == contract
    takers = np.flatnonzero(is_taker)
    if not len(takers):
        role = np.full(count, OPERATOR, np.uint8)
        nothing = np.zeros(count, np.int64)
        return FillDetails(role, np.full(count, -1, np.int32), nothing, _refunds(fills, refunds))
    following = np.minimum(np.searchsorted(takers, np.arange(count)), len(takers) - 1)
    closing = takers[following]
    matched = (
        (closing >= np.arange(count))
        & (tx[closing] == tx)
        & (contract[closing] == contract)
        & (is_taker | (counterparty == wallet[closing]))
    )
    role = np.where(is_taker, TAKER, np.where(matched, MAKER, OPERATOR)).astype(np.uint8)
    makers = matched & ~is_taker
    taker_side = side[closing]
    # What the maker leg took out of the taker's payment: shares from a seller; from a buyer the leg's collateral, or,
    # when both buy and the exchange mints a full set, the rest of what the set costs.
    used = np.where(taker_side == 1, shares, np.where(token == token[closing], collateral, shares - collateral))
    spent = np.zeros(count, np.int64)
    np.add.at(spent, closing[makers], used[makers])
    has_makers = np.zeros(count, np.bool_)
    has_makers[closing[makers]] = True
    given = np.where(side == 0, collateral, shares)
    leftover = np.where(is_taker & has_makers, np.maximum(given - spent, 0), 0)
    match_log_index = np.where(matched, log_index[closing], -1).astype(np.int32)
    return FillDetails(role, match_log_index, leftover, _refunds(fills, refunds))


def _codes(table: pa.Table, names: Iterable[str]) -> tuple[Integers, ...]:
    """Columns of long ids as integers that are equal where the ids are; comparable among the columns named."""
    names = tuple(names)
    chunks = [chunk for name in names for chunk in table.column(name).chunks]
    values = pc.unique(pa.chunked_array(chunks, table.schema.field(names[0]).type))
    return tuple(
        pc.index_in(table.column(name), value_set=values).to_numpy().astype(np.int64, copy=False) for name in names
    )


def _refunds(fills: pa.Table, refunds: pa.Table) -> Integers:
    """The refund of each fill: the n-th refund of an order hash in a transaction belongs to its n-th fill there."""
    result = np.zeros(fills.num_rows, np.int64)
    if not refunds.num_rows or not fills.num_rows:
        return result
    both_tx = np.concatenate([integers(fills, "tx"), integers(refunds, "tx")])
    _, tx_code = np.unique(both_tx, return_inverse=True)
    hashes = pa.chunked_array(fills.column("order_hash").chunks + refunds.column("order_hash").chunks)
    order_code = pc.index_in(hashes, value_set=pc.unique(hashes)).to_numpy().astype(np.int64)
    key = tx_code.astype(np.int64) * (int(order_code.max()) + 1) + order_code
    fill_keys = _numbered(key[: fills.num_rows])
    refund_keys = _numbered(key[fills.num_rows :])
    order = np.argsort(refund_keys)
    place = np.minimum(np.searchsorted(refund_keys[order], fill_keys), len(order) - 1)
    found = refund_keys[order][place] == fill_keys
    result[found] = integers(refunds, "refund")[order][place[found]]
    return result


def _numbered(keys: Integers, most: int = 4096) -> Integers:
    """Keys made distinct by their occurrence number (0, 1, … below `most`), in order of appearance."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    number = np.arange(len(keys)) - np.repeat(starts, np.diff(np.r_[starts, len(keys)]))
    result = np.empty_like(keys)
    result[order] = ordered * most + number
    return result


def redemption_burns(decoded: Mapping[str, pa.Table], conditional_tokens: bytes) -> pa.Table:
    """The burns behind each PayoutRedemption of ConditionalTokens: (tx, log_index of the event, token, amount).

    redeemPositions burns the redeemer's whole balance of each outcome and then emits the event, so a burn belongs to
    the next redemption or merge in its transaction; merges burn too and state their amount.
    """
    shares, redemptions, changes = (decoded[name] for name in ("share_transfers", "redemptions", "position_changes"))
    burn_rows = np.flatnonzero(
        _is(shares.column("recipient"), [ZERO_ADDRESS]) & _is(shares.column("contract"), [conditional_tokens])
    )
    burns = shares.take(pa.array(burn_rows))
    direct = redemptions.take(pa.array(np.flatnonzero(_is(redemptions.column("contract"), [conditional_tokens]))))
    merges = changes.take(
        pa.array(
            np.flatnonzero(_is(changes.column("contract"), [conditional_tokens]) & (integers(changes, "kind") == 1))
        )
    )
    empty = pa.table(
        {"tx": pa.array([], pa.int64()), "log_index": pa.array([], pa.int32()), "token": pa.array([], pa.binary(32)),
         "amount": pa.array([], pa.int64())}
    )  # fmt: skip
    if not burns.num_rows or not direct.num_rows:
        return empty
    keys = np.concatenate([position_key(direct), position_key(merges)])
    rows = np.concatenate([np.arange(direct.num_rows), np.full(merges.num_rows, -1)])
    order = np.argsort(keys)
    place = np.searchsorted(keys[order], position_key(burns))
    inside = place < len(keys)
    event = np.where(inside, rows[order][np.minimum(place, len(keys) - 1)], -1)
    safe = np.maximum(event, 0)
    same_tx = integers(direct, "tx")[safe] == integers(burns, "tx")
    redeemers = direct.column("redeemer").combine_chunks().take(pa.array(safe))
    same_account = pc.equal(burns.column("sender").combine_chunks(), redeemers).to_numpy(zero_copy_only=False)
    kept = np.flatnonzero((event >= 0) & same_tx & same_account)
    return pa.table(
        {
            "tx": pa.array(integers(burns, "tx")[kept]),
            "log_index": pa.array(integers(direct, "log_index")[safe[kept]].astype(np.int32)),
            "token": burns.column("token").take(pa.array(kept)),
            "amount": burns.column("amount").take(pa.array(kept)),
        }
    )


def plain_flags(
    decoded: Mapping[str, pa.Table], contracts: ContractSet, pools: Iterable[bytes]
) -> tuple[Mask, Mask, Mask]:
    """Which transfers no protocol had a hand in: (plain share transfers, plain collateral transfers, and the share
    transfers that a protocol contract moved).

    A transfer in a transaction with protocol events is never plain here; whether some of them are is decided when the
    transaction's books are drawn up (see `books`).
    """
    event_tx = np.unique(np.concatenate([integers(decoded[name], "tx") for name in BOOK_TABLES]))
    own = [contract.address_bytes for contract in contracts.all] + list(pools)
    shares, collateral = decoded["share_transfers"], decoded["collateral_transfers"]
    moved_by_protocol = _is(shares.column("operator"), own)
    supply = _is(shares.column("sender"), [ZERO_ADDRESS]) | _is(shares.column("recipient"), [ZERO_ADDRESS])
    plain_shares = ~np.isin(integers(shares, "tx"), event_tx) & ~moved_by_protocol & ~supply
    accountable = _is(collateral.column("sender"), [*contracts.addresses_of(_ACCOUNTABLE), *pools])
    wrapped = _is(collateral.column("contract"), contracts.addresses_of([Role.WRAPPED_COLLATERAL]))
    plain_collateral = ~np.isin(integers(collateral, "tx"), event_tx) & ~accountable & ~wrapped
    return plain_shares, plain_collateral, moved_by_protocol


def _is(column: pa.ChunkedArray, values: Iterable[bytes]) -> Mask:
    wanted = pa.array(list(values), column.type)
    if not len(column):
        return np.zeros(0, np.bool_)
    return np.asarray(pc.is_in(column, value_set=wanted).to_numpy(), np.bool_)
