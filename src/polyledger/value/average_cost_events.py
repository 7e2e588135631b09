"""What each event does to positions by the average-cost method: decoded events in, ordered operations out.

The rules are those of the public P&L subgraph's mapping code, which knows exchange fills by their ``maker`` field only,
two-outcome conditions only, and no plain share transfers, fees or refunds. The subgraph stops at the v1 exchanges;
fills of later exchanges are mapped by the same rules, so the caller chooses the eras by the fills it passes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from polyledger.domain.errors import InvariantError
from polyledger.value.average_cost import OPERATIONS
from polyledger.value.average_cost_kernel import SCALE, Integers, Kind, scaled_ratio, truncate
from polyledger.value.average_cost_tables import EVENTS, find, numbers, order_key, pairs


@dataclass(frozen=True, slots=True)
class Parties:
    """Keys of the contracts whose own splits, merges and redemptions are the inside of somebody else's."""

    adapters: frozenset[int]
    exchanges: frozenset[int]
    neg_risk_exchanges: frozenset[int]


@dataclass(frozen=True, slots=True)
class Mapped:
    """Operations in chain order, and how many events had none, by reason."""

    operations: pa.Table
    skipped: dict[str, int]


def operations(events: dict[str, pa.Table], parties: Parties) -> Mapped:
    """The operations of all events.

    Args:
        events: one table per name of :data:`EVENTS`, rows in any order, all names present.
        parties: the contracts to leave out.

    Raises:
        InvariantError: a table is missing or misshapen, or a block or log index is beyond what the order key holds.
    """
    if set(events) != set(EVENTS):
        raise InvariantError(
            f"the average-cost method got the tables {sorted(events)}", f"it needs exactly {sorted(EVENTS)}"
        )
    tables = {name: events[name].select(schema.names).cast(schema) for name, schema in EVENTS.items()}
    rows = _Rows()
    tokens = _Tokens.of(tables["conditions"])
    _fills(rows, tables["fills"])
    _position_changes(rows, tables["position_changes"], tokens, parties)
    _redemptions(rows, tables["redemptions"], tables["resolutions"], tokens, parties)
    _conversions(rows, tables["conversions"], tables["questions"], tokens)
    pools = _Pools.of(tables["amm_pools"], tokens)
    _amm_trades(rows, tables["amm_trades"], pools)
    _amm_funding(rows, tables["amm_funding"], pools)
    return Mapped(rows.table(), dict(rows.skipped))


_ORDERED: Final = ("order", *OPERATIONS.names)


@dataclass(slots=True)
class _Rows:
    """Operations as they are found."""

    parts: list[tuple[Integers, ...]] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)

    def add(
        self, order: Integers, account: Integers, token: Integers, kind: Integers | int, **values: Integers
    ) -> None:
        """Adds rows with ``quantity``, ``numerator``, ``denominator`` (and ``conversion``); 0 shares do nothing."""
        columns = {"order": order, "account": account, "token": token, "kind": np.broadcast_to(kind, order.shape)}
        columns["conversion"] = np.broadcast_to(np.int64(-1), order.shape)
        columns |= values
        keep = np.flatnonzero((columns["quantity"] > 0) | (columns["kind"] == Kind.SELL_ALL))
        if len(keep) < len(order):
            self.skipped["no shares"] += len(order) - len(keep)
            columns = {name: column[keep] for name, column in columns.items()}
        self.parts.append(tuple(columns[name] for name in _ORDERED))

    def skip(self, reason: str, kept: NDArray[np.bool_] | np.bool_) -> NDArray[np.bool_]:
        """Counts the rows that are not kept; returns which are."""
        keep = np.atleast_1d(kept)
        missing = int(np.count_nonzero(~keep))
        if missing:
            self.skipped[reason] += missing
        return keep

    def table(self) -> pa.Table:
        if not self.parts:
            return OPERATIONS.empty_table()
        columns = [np.concatenate(parts) for parts in zip(*self.parts, strict=True)]
        if np.any(columns[0][1:] < columns[0][:-1]):
            by_order = np.argsort(columns[0], kind="stable")
            columns = [column[by_order] for column in columns]
        arrays = [
            pa.array(column.astype(kind.type.to_pandas_dtype(), copy=False))
            for column, kind in zip(columns[1:], OPERATIONS, strict=True)
        ]
        return pa.Table.from_arrays(arrays, schema=OPERATIONS)


@dataclass(frozen=True, slots=True)
class _Tokens:
    """Tokens of two-outcome conditions, by condition key."""

    condition: Integers
    token: Integers  # (n, 2)

    @classmethod
    def of(cls, conditions: pa.Table) -> _Tokens:
        condition, first, second = (numbers(conditions, name) for name in EVENTS["conditions"].names)
        by_key = np.argsort(condition, kind="stable")
        return cls(condition[by_key], np.stack([first, second], axis=1)[by_key])

    def find(self, condition: Integers) -> Integers:
        """Place of each condition, -1 where it is not a known one of two outcomes."""
        return find(self.condition, condition)


@dataclass(frozen=True, slots=True)
class _Pools:
    pool: Integers
    share_token: Integers
    token: Integers  # (n, 2)

    @classmethod
    def of(cls, pools: pa.Table, tokens: _Tokens) -> _Pools:
        pool, condition, share_token = (numbers(pools, name) for name in EVENTS["amm_pools"].names)
        place = tokens.find(condition)
        known = np.flatnonzero(place >= 0)
        known = known[np.argsort(pool[known], kind="stable")]
        return cls(pool[known], share_token[known], tokens.token[place[known]])


def _fills(rows: _Rows, fills: pa.Table) -> None:
    shares, side = numbers(fills, "shares"), numbers(fills, "side")
    kind = np.where(side == 0, np.int64(Kind.BUY), np.int64(Kind.SELL))
    rows.add(
        order_key(fills),
        numbers(fills, "wallet"),
        numbers(fills, "token"),
        kind,
        quantity=shares,
        numerator=numbers(fills, "collateral"),
        denominator=shares,
    )


def _position_changes(rows: _Rows, changes: pa.Table, tokens: _Tokens, parties: Parties) -> None:
    stakeholder = numbers(changes, "stakeholder")
    by_adapter = changes.column("by_adapter").to_numpy()
    inside = np.where(
        by_adapter,
        np.isin(stakeholder, list(parties.neg_risk_exchanges)),
        np.isin(stakeholder, list(parties.adapters | parties.exchanges)),
    )
    place = tokens.find(numbers(changes, "condition"))
    keep = rows.skip("split or merge inside another event", ~inside)
    keep &= rows.skip("split or merge of an untracked condition", inside | (place >= 0))
    which = np.flatnonzero(keep)
    order, amount = order_key(changes)[which], numbers(changes, "amount")[which]
    kind = np.where(numbers(changes, "kind")[which] == 0, np.int64(Kind.BUY), np.int64(Kind.SELL))
    one = np.ones(len(which), np.int64)
    for outcome in (0, 1):
        token = tokens.token[place[which], outcome]
        rows.add(order + outcome, stakeholder[which], token, kind, quantity=amount, numerator=one, denominator=2 * one)


def _redemptions(rows: _Rows, redemptions: pa.Table, resolutions: pa.Table, tokens: _Tokens, parties: Parties) -> None:
    redeemer, condition = numbers(redemptions, "redeemer"), numbers(redemptions, "condition")
    by_adapter = redemptions.column("by_adapter").to_numpy()
    order = order_key(redemptions)
    inside = ~by_adapter & np.isin(redeemer, list(parties.adapters))
    place = tokens.find(condition)
    payout, denominator = _payouts(resolutions, tokens, place, order)
    keep = rows.skip("redemption inside another event", ~inside)
    keep &= rows.skip("redemption of an untracked condition", inside | (place >= 0))
    keep &= rows.skip("redemption before the resolution", inside | (place < 0) | (denominator > 0))
    for adapter in (False, True):
        which = np.flatnonzero(keep & (by_adapter == adapter))
        amounts = pairs(redemptions.take(which), "amounts") if adapter else np.zeros((len(which), 2), np.int64)
        for outcome in (0, 1):
            rows.add(
                order[which] + outcome,
                redeemer[which],
                tokens.token[place[which], outcome],
                int(Kind.SELL if adapter else Kind.SELL_ALL),
                quantity=amounts[:, outcome],
                numerator=payout[which, outcome],
                denominator=denominator[which],
            )


def _payouts(resolutions: pa.Table, tokens: _Tokens, place: Integers, order: Integers) -> tuple[Integers, Integers]:
    """Numerators (n, 2) and denominator, 0 where the condition was not resolved yet, of conditions by place."""
    resolved = tokens.find(numbers(resolutions, "condition"))
    rows = np.flatnonzero(resolved >= 0)
    shares = pairs(resolutions.take(rows), "numerators")
    sums = shares.sum(axis=1)
    wide = np.flatnonzero(shares.astype(np.float64).sum(axis=1) >= 2.0**61)
    for row in wide.tolist():  # an odd oracle's vector: the price itself, over the scale, says the same
        first, second = shares[row].tolist()
        shares[row] = [truncate(value * SCALE, first + second) for value in (first, second)]
        sums[row] = SCALE
    known = len(tokens.condition)
    numerators, denominators = np.zeros((known + 1, 2), np.int64), np.zeros(known + 1, np.int64)
    since = np.full(known + 1, np.iinfo(np.int64).max)
    numerators[resolved[rows]], denominators[resolved[rows]], since[resolved[rows]] = (
        shares,
        sums,
        order_key(resolutions)[rows],
    )
    return numerators[place], np.where(since[place] < order, denominators[place], 0)


def _conversions(rows: _Rows, conversions: pa.Table, questions: pa.Table, tokens: _Tokens) -> None:
    """NO shares of the index set leave at their own average, YES shares of all other questions come in."""
    order, market = order_key(conversions), numbers(conversions, "neg_risk_market")
    prepared = _questions_prepared(questions, market, order)
    words = np.frombuffer(b"".join(conversions.column("index_set").to_pylist()), np.uint8).reshape(-1, 32)
    in_set = np.unpackbits(words, axis=1)[:, ::-1].astype(np.bool_)  # column i is bit i
    beyond = (in_set & (np.arange(256) >= prepared[:, None])).any(axis=1)
    which = np.flatnonzero(rows.skip("conversion of unprepared questions", ~beyond & in_set.any(axis=1)))
    number = np.repeat(np.arange(len(which)), prepared[which])
    first = np.cumsum(prepared[which]) - prepared[which]
    index = np.arange(len(number)) - first[number]
    condition = _question_conditions(questions, market[which][number], index)
    place = np.where(condition >= 0, tokens.find(condition), -1)
    whole = np.ones(len(which), np.bool_)
    whole[number[place < 0]] = False
    rows.skip("conversion of an untracked condition", whole)
    keep = whole[number]
    number, index, place = number[keep], index[keep], place[keep]
    event = which[number]
    given, inside = in_set[event, index], in_set.sum(axis=1)[event]
    rows.add(
        order[event] + index + np.where(given, 0, 256),
        numbers(conversions, "stakeholder")[event],
        tokens.token[place, np.where(given, 1, 0)],
        np.where(given, np.int64(Kind.SELL_AT_AVERAGE), np.int64(Kind.BUY_CONVERTED)),
        quantity=numbers(conversions, "amount")[event],
        numerator=np.where(given, 0, inside),
        denominator=np.where(given, 1, prepared[event] - inside),
        conversion=number,
    )


def _questions_prepared(questions: pa.Table, market: Integers, order: Integers) -> Integers:
    """How many questions each market had at each order."""
    asked = len(market)
    all_markets = np.concatenate([market, numbers(questions, "neg_risk_market")])
    by_market = np.lexsort((np.concatenate([order, order_key(questions)]), all_markets))
    is_question = by_market >= asked
    running = np.cumsum(is_question)
    sorted_markets = all_markets[by_market]
    starts = np.searchsorted(sorted_markets, sorted_markets)
    result = np.empty(len(by_market), np.int64)
    result[by_market] = running - (running - is_question)[starts]
    return result[:asked]


def _question_conditions(questions: pa.Table, market: Integers, index: Integers) -> Integers:
    """Condition of each (market, question index), -1 where it is not known."""
    markets, codes = np.unique(numbers(questions, "neg_risk_market"), return_inverse=True)
    keys = codes * 256 + numbers(questions, "question_index")
    by_key = np.argsort(keys, kind="stable")
    code = find(markets, market)
    place = np.where(code >= 0, find(keys[by_key], code * 256 + index), -1)
    conditions = np.append(numbers(questions, "condition")[by_key], -1)
    return np.asarray(conditions[place])


def _amm_trades(rows: _Rows, trades: pa.Table, pools: _Pools) -> None:
    place, outcome = find(pools.pool, numbers(trades, "pool")), numbers(trades, "outcome_index")
    keep = rows.skip("AMM trade of an untracked pool", (place >= 0) & (outcome >= 0) & (outcome < 2))
    which = np.flatnonzero(keep)
    shares = numbers(trades, "shares")[which]
    rows.add(
        order_key(trades)[which],
        numbers(trades, "trader")[which],
        pools.token[place[which], outcome[which]],
        np.where(numbers(trades, "side")[which] == 0, np.int64(Kind.BUY), np.int64(Kind.SELL)),
        quantity=shares,
        numerator=numbers(trades, "collateral")[which],
        denominator=shares,
    )


def _amm_funding(rows: _Rows, funding: pa.Table, pools: _Pools) -> None:
    place = find(pools.pool, numbers(funding, "pool"))
    which = np.flatnonzero(rows.skip("AMM funding of an untracked pool", place >= 0))
    funding, place = funding.take(which), place[which]
    amounts = pairs(funding, "amounts")
    total = amounts.astype(np.float64).sum(axis=1)  # pools of worthless collateral hold any number; 2^62 is no USDC
    some = np.flatnonzero(rows.skip("AMM funding of no or of impossible amounts", (total > 0) & (total < 2.0**62)))
    funding, place, amounts = funding.take(some), place[some], amounts[some]
    added = numbers(funding, "kind") == 0
    price = np.stack([scaled_ratio(amounts[:, 1 - side], SCALE, amounts.sum(axis=1)) for side in (0, 1)], axis=1)
    rare = np.where(amounts[:, 0] > amounts[:, 1], 1, 0)
    each = np.arange(len(rare))
    returned = amounts[each, 1 - rare] - amounts[each, rare]  # adding keeps the pool's odds: the surplus comes back
    cost = np.stack(
        [scaled_ratio(amounts[:, side], price[:, side], np.full(len(rare), SCALE)) for side in (0, 1)], axis=1
    )
    returned_cost = scaled_ratio(returned, price[each, rare], np.full(len(rare), SCALE))
    order, funder = order_key(funding), numbers(funding, "funder")
    for outcome in (0, 1):
        bought = np.where(added, np.where(rare == outcome, returned, 0), amounts[:, outcome])
        rows.add(
            order + outcome,
            funder,
            pools.token[place, outcome],
            int(Kind.BUY),
            quantity=bought,
            numerator=price[:, outcome],
            denominator=np.full(len(rare), SCALE),
        )
    shares = numbers(funding, "pool_shares")
    paid = np.where(
        added, amounts.max(axis=1) - returned_cost, numbers(funding, "collateral_from_fees") - cost.sum(axis=1)
    )
    kind = np.where(added, np.int64(Kind.BUY), np.int64(Kind.SELL))
    rows.add(order + 2, funder, pools.share_token[place], kind, quantity=shares, numerator=paid, denominator=shares)
