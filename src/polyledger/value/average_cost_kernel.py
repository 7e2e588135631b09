"""A grouped, ordered fold over operations: what the average-cost method does to each position, without a row loop.

A position (one account, one token) is a state ``(amount, average, profit, bought)`` that its operations change one
after another, so rows of one position cannot be summed in any order. But the k-th operations of *different* positions
are independent. Rows are therefore laid out rank by rank (all first operations, then all second ones, …) with the
positions in order of falling length: the positions that still have a k-th operation are a prefix, and each step is
arithmetic on contiguous slices. Once fewer than ``SCALAR_BELOW`` positions remain, a step costs more in calls than in
arithmetic, and what is left of them goes through a plain loop on Python integers.

Everything is exact. Positions whose products could leave 63 bits (bounded before the fold by largest price × shares
ever bought) take the plain loop too, where integers have no width. Quotients are truncated toward zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
SCALE = 1_000_000
SCALAR_BELOW = 96
_NARROW = float(
    2**61
)  # a quarter of what int64 holds: room for the difference of two prices and for rounding of floats
_LIMIT = 2**63


class Kind(IntEnum):
    """What an operation does to a position. Prices are micro-USDC per share."""

    BUY = 0
    SELL = 1
    SELL_ALL = 2  # the whole tracked amount, at the price of the row
    SELL_AT_AVERAGE = 3  # without profit; the average at that moment is kept for the conversion
    BUY_CONVERTED = 4  # a buy whose price follows from the averages of the same conversion


_BUYS = frozenset((int(Kind.BUY), int(Kind.BUY_CONVERTED)))
_SELL_ALL, _SELL_AT_AVERAGE = int(Kind.SELL_ALL), int(Kind.SELL_AT_AVERAGE)


@dataclass(frozen=True, slots=True)
class Operations:
    """Rows in chain order. ``price`` is int64, or object (Python integers) when one of them is wider."""

    group: NDArray[np.uint64]  # any integer that is equal for equal positions
    kind: NDArray[np.uint8]
    price: NDArray[Any]
    quantity: Integers

    def take(self, rows: Integers) -> Operations:
        return Operations(self.group[rows], self.kind[rows], self.price[rows], self.quantity[rows])


@dataclass(slots=True)
class Positions:
    """One state per position; ``wide`` replaces the states that were folded on unbounded integers, by place."""

    first_row: Integers  # of the operations of the position; says which position it is
    amount: Integers
    average: Integers
    profit: Integers
    bought: Integers
    wide: dict[int, tuple[int, int, int, int]] = field(default_factory=dict)

    @classmethod
    def at(cls, first_row: Integers) -> Positions:
        zeros = np.zeros((4, len(first_row)), np.int64)
        return cls(first_row, zeros[0], zeros[1], zeros[2], zeros[3])


@dataclass(slots=True)
class Recorded:
    """The averages found at the ``SELL_AT_AVERAGE`` rows."""

    rows: list[Integers] = field(default_factory=list)
    averages: list[NDArray[Any]] = field(default_factory=list)

    def add(self, rows: Integers, averages: NDArray[Any]) -> None:
        if rows.size:
            self.rows.append(rows)
            self.averages.append(averages)

    def by_row(self, total: int) -> NDArray[Any]:
        """An array over all ``total`` rows of the operations, zero where nothing was recorded."""
        is_wide = any(values.dtype == object for values in self.averages)
        result: NDArray[Any] = np.zeros(total, object if is_wide else np.int64)
        for rows, averages in zip(self.rows, self.averages, strict=True):
            result[rows] = averages
        return result


def truncate(numerator: int, denominator: int) -> int:
    """Quotient truncated toward zero (``//`` floors, which differs for negative values); denominators are positive."""
    return numerator // denominator if numerator >= 0 else -(-numerator // denominator)


def truncate_all(numerator: NDArray[Any], denominator: NDArray[Any] | int) -> NDArray[Any]:
    """:func:`truncate` over arrays; denominators are positive."""
    quotient: NDArray[Any] = np.abs(numerator) // denominator
    if numerator.size and numerator.min() < 0:
        quotient = np.where(numerator < 0, -quotient, quotient)
    return quotient


def scaled_ratio(numerator: Integers, factor: Integers | int, denominator: Integers) -> NDArray[Any]:
    """``numerator × factor / denominator``, truncated, exact; of dtype object only if a result needs more than 63 bits.

    Denominators are positive.
    """
    factors = np.broadcast_to(np.asarray(factor, np.int64), numerator.shape)
    wide = np.flatnonzero(np.abs(numerator.astype(np.float64)) * np.abs(factors.astype(np.float64)) >= _NARROW)
    if not wide.size:
        return truncate_all(numerator * factors, denominator)
    result: NDArray[Any] = truncate_all(numerator * factors, denominator)  # wrapped at the wide rows, replaced below
    exact = [
        truncate(a * b, c)
        for a, b, c in zip(numerator[wide].tolist(), factors[wide].tolist(), denominator[wide].tolist(), strict=True)
    ]
    if max(map(abs, exact)) >= _LIMIT:
        result = result.astype(object)
    result[wide] = exact
    return result


def fold(operations: Operations) -> tuple[Positions, Recorded]:
    """The state of every position after all its operations.

    Args:
        operations: n rows in chain order; quantities of buys are positive, those of ``SELL_ALL`` are not read.

    Returns:
        One state per distinct group, and the averages recorded on the way.
    """
    order, starts = _rows_by_group(operations.group)
    columns = operations.take(order)
    sizes = np.diff(starts, append=len(order))
    # Positions that need wide integers take no part in the steps: length zero sorts them behind all others.
    ranked = np.where(_needs_wide(columns, starts), 0, sizes)
    by_length = np.argsort(-ranked, kind="stable")
    positions = Positions.at(order[starts[by_length]])
    work = _Fold(columns, order, starts[by_length], sizes[by_length], ranked[by_length], positions, Recorded())
    work.run()
    return work.positions, work.recorded


def _rows_by_group(group: NDArray[np.uint64]) -> tuple[Integers, Integers]:
    """Rows sorted by group, each group in its old order, and where each group starts."""
    row_bits = max(len(group) - 1, 1).bit_length()
    if not len(group):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    if int(group.max()).bit_length() + row_bits <= 64:
        # Group and row in one word: sorting plain words is several times faster than a stable argsort.
        packed = (group << np.uint64(row_bits)) | np.arange(len(group), dtype=np.uint64)
        packed.sort()
        order = (packed & np.uint64((1 << row_bits) - 1)).astype(np.int64)
        packed >>= np.uint64(row_bits)
        grouped = packed
    else:
        order = np.argsort(group, kind="stable").astype(np.int64)
        grouped = group[order]
    starts = np.concatenate(([0], np.flatnonzero(grouped[1:] != grouped[:-1]) + 1)).astype(np.int64)
    return order, starts


def _is_buy(kind: NDArray[np.uint8]) -> NDArray[np.bool_]:
    result: NDArray[np.bool_] = (kind == Kind.BUY) | (kind == Kind.BUY_CONVERTED)
    return result


def _needs_wide(columns: Operations, starts: Integers) -> NDArray[np.bool_]:
    """Which groups could leave 63 bits: every |average| ≤ largest |price|, and every amount ≤ all shares bought."""
    if not starts.size:
        return np.zeros(0, np.bool_)
    if columns.price.dtype == object:
        price = np.array([float(value) for value in np.abs(columns.price)])
    else:
        price = np.abs(columns.price.astype(np.float64))
    quantity = np.where(_is_buy(columns.kind), columns.quantity, 0).astype(np.float64)
    result: NDArray[np.bool_] = (
        np.maximum(np.maximum.reduceat(price, starts), 1) * np.add.reduceat(quantity, starts) >= _NARROW
    )
    return result


def _active_by_rank(sizes: Integers) -> Integers:
    """For each rank k, how many positions have more than k operations; ``sizes`` falls."""
    longest = int(sizes[0]) if sizes.size else 0
    counts = np.bincount(sizes, minlength=longest + 1)
    return np.asarray(np.cumsum(counts[::-1])[::-1][1:], np.int64)


def _rank_major(starts: Integers, sizes: Integers, active_by_rank: Integers) -> Integers:
    """Places of rows in group order, listed rank by rank, the positions of each rank in their order."""
    places = np.repeat(np.arange(len(sizes)), sizes)
    first = np.cumsum(sizes) - sizes
    rank = np.arange(len(places)) - first[places]
    offsets = np.cumsum(active_by_rank) - active_by_rank
    layout = np.empty(len(places), np.int64)
    layout[offsets[rank] + places] = starts[places] + rank
    return layout


def _step(positions: Positions, kind: NDArray[np.uint8], price: Integers, quantity: Integers) -> None:
    """One operation of each of the first ``len(kind)`` positions, none of which can leave 63 bits."""
    active = len(kind)
    amount, average = positions.amount[:active], positions.average[:active]
    buying = _is_buy(kind)
    sells = np.flatnonzero(~buying)
    if sells.size:
        held, sell_kind = amount[sells], kind[sells]
        sold = np.where(sell_kind == Kind.SELL_ALL, held, np.minimum(quantity[sells], held))
        gain = np.where(sell_kind == Kind.SELL_AT_AVERAGE, 0, price[sells] - average[sells])
        positions.profit[sells] += truncate_all(sold * gain, SCALE)
        amount[sells] = held - sold
    buys = np.flatnonzero(buying)
    if buys.size:
        held, shares = amount[buys], quantity[buys]
        total = held + shares
        average[buys] = truncate_all(average[buys] * held + price[buys] * shares, total)
        amount[buys] = total
        positions.bought[buys] += shares


@dataclass(frozen=True, slots=True)
class _Fold:
    """One run of :func:`fold`: rows in group order, and per position where they start and how many there are."""

    columns: Operations
    order: Integers  # row of the input of each row in group order
    starts: Integers
    sizes: Integers
    ranked: Integers  # how many of them may be folded rank by rank; falls
    positions: Positions
    recorded: Recorded

    def run(self) -> None:
        steps = self._by_rank()
        for place in range(int(np.count_nonzero(self.ranked > steps))):
            self._one(place, steps)
        for place in range(int(np.count_nonzero(self.ranked)), len(self.starts)):
            self._one(place, 0)

    def _by_rank(self) -> int:
        """Folds the first operations of all narrow positions, rank by rank; returns how many ranks were folded."""
        active_by_rank = _active_by_rank(self.ranked)
        steps = int(np.count_nonzero(active_by_rank >= SCALAR_BELOW))
        layout = _rank_major(self.starts, np.minimum(self.ranked, steps), active_by_rank[:steps])
        kind, quantity = self.columns.kind[layout], self.columns.quantity[layout]
        price = self.columns.price[layout].astype(np.int64, copy=False)
        low = 0
        for active in active_by_rank[:steps].tolist():
            step = slice(low, low + active)
            _step(self.positions, kind[step], price[step], quantity[step])
            at_average = np.flatnonzero(kind[step] == Kind.SELL_AT_AVERAGE)
            self.recorded.add(self.order[layout[step][at_average]], self.positions.average[at_average])
            low += active
        return steps

    def _one(self, place: int, skip: int) -> None:
        """The operations of one position on Python integers, from the state that the first ``skip`` have left."""
        positions = self.positions
        rows = slice(int(self.starts[place]) + skip, int(self.starts[place] + self.sizes[place]))
        columns = Operations(*(getattr(self.columns, name)[rows] for name in ("group", "kind", "price", "quantity")))
        amount, average = int(positions.amount[place]), int(positions.average[place])
        profit, bought = int(positions.profit[place]), int(positions.bought[place])
        averages: list[int] = []
        operations = zip(columns.kind.tolist(), columns.price.tolist(), columns.quantity.tolist(), strict=True)
        for what, price, quantity in operations:
            if what in _BUYS:
                total = amount + quantity
                cost = average * amount + price * quantity
                average = cost // total if cost >= 0 else -(-cost // total)
                amount = total
                bought += quantity
            elif what == _SELL_AT_AVERAGE:
                averages.append(average)
                amount -= min(quantity, amount)
            else:
                sold = amount if what == _SELL_ALL else min(quantity, amount)
                gain = sold * (price - average)
                profit += gain // SCALE if gain >= 0 else -(-gain // SCALE)
                amount -= sold
        state = (amount, average, profit, bought)
        if max(map(abs, state)) < _LIMIT:
            positions.amount[place], positions.average[place], positions.profit[place], positions.bought[place] = state
        else:
            positions.wide[place] = state
        if averages:
            is_wide = max(map(abs, averages)) >= _LIMIT
            at_average = self.order[rows][columns.kind == _SELL_AT_AVERAGE]
            self.recorded.add(at_average, np.array(averages, object if is_wide else np.int64))
