"""The average-cost method: the algorithm of Polymarket's public P&L subgraph, exactly, over operations in columns.

It is a second definition of profit beside polyledger's own, kept so that people can compare with the site. It differs
on purpose: fees and refunds are ignored, shares received by plain transfers are not tracked, selling more than is
tracked counts only what is tracked, neg-risk conversions move cost at average prices, and profit counts when a share is
sold or redeemed rather than when its condition settles.

Operations come from :mod:`polyledger.value.average_cost_events`. Conversions couple positions: the price at which YES
shares are bought is a function of the averages of the NO shares given up. But a conversion sells NO at its own average,
which leaves that average as it is, and only ever buys YES. So every position that gives up shares in conversions can be
folded first; the averages found on the way price the conversions; then the positions that receive shares are folded.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from polyledger.domain.errors import InvariantError
from polyledger.value.average_cost_kernel import (
    SCALE,
    Integers,
    Kind,
    Operations,
    Positions,
    fold,
    scaled_ratio,
    truncate_all,
)

OPERATIONS = pa.schema(
    [
        pa.field("account", pa.int64(), nullable=False),
        pa.field("token", pa.int64(), nullable=False),
        pa.field("kind", pa.uint8(), nullable=False),  # a Kind
        pa.field("quantity", pa.int64(), nullable=False),  # micro-shares; of buys > 0
        pa.field("numerator", pa.int64(), nullable=False),  # price = numerator × 10^6 / denominator, truncated;
        pa.field("denominator", pa.int64(), nullable=False),  # of BUY_CONVERTED: questions in and outside the index set
        pa.field("conversion", pa.int64(), nullable=False),  # number of the conversion, ≥ 0; -1 for all other rows
    ]
)
"""Rows are in chain order: of one position, an earlier row happened earlier."""

_RESULT_TYPE = pa.decimal128(38, 0)
POSITIONS = pa.schema(
    [
        pa.field("account", pa.int64(), nullable=False),
        pa.field("token", pa.int64(), nullable=False),
        pa.field("amount", _RESULT_TYPE, nullable=False),
        pa.field("average", _RESULT_TYPE, nullable=False),
        pa.field("realized_pnl", _RESULT_TYPE, nullable=False),
        pa.field("bought", _RESULT_TYPE, nullable=False),
    ]
)


def average_cost(operations: pa.Table) -> pa.Table:
    """Positions by the average-cost method.

    Args:
        operations: n rows of :data:`OPERATIONS`, in chain order.

    Returns:
        One row of :data:`POSITIONS` per distinct (account, token), in no particular order: tracked micro-shares, their
        average price and the realized profit in micro-USDC, and all micro-shares ever bought. The sums are exact
        integers of up to 38 digits.

    Raises:
        InvariantError: a token is given up in one conversion and received in another, or a denominator is not positive.
    """
    columns = operations.select(OPERATIONS.names).cast(OPERATIONS)
    account, token, kind, quantity, numerator, denominator, conversion = (
        column.to_numpy() for column in columns.itercolumns()
    )
    if denominator.size and denominator.min() < 1:
        row = int(np.argmin(denominator))
        raise InvariantError(
            f"operation {row} of account key {account[row]} has the price denominator {denominator[row]}",
            "operations without shares or payout must be left out before the fold",
        )
    price = scaled_ratio(numerator, SCALE, denominator)
    price[kind == Kind.SELL_AT_AVERAGE] = 0
    group = _group(account, token)
    all_rows = Operations(group, kind, price, quantity)
    converted = np.flatnonzero(kind == Kind.BUY_CONVERTED)
    if not converted.size:
        positions, _ = fold(all_rows)
        return _table([(positions, None)], account, token)
    second = np.isin(group, group[converted])
    if np.any(kind[second] == Kind.SELL_AT_AVERAGE):
        row = int(np.flatnonzero(second & (kind == Kind.SELL_AT_AVERAGE))[0])
        raise InvariantError(
            f"token {token[row]} of account {account[row]} is given up in one conversion and received in another",
            "a token is either the YES or the NO of its question: check the token keys",
        )
    first_rows, second_rows = np.flatnonzero(~second), np.flatnonzero(second)
    givers, recorded = fold(all_rows.take(first_rows))
    averages = recorded.by_row(len(first_rows))
    gave = np.flatnonzero(kind[first_rows] == Kind.SELL_AT_AVERAGE)
    prices = _conversion_prices(
        conversion[first_rows[gave]],
        averages[gave],
        conversion[converted],
        numerator[converted],
        denominator[converted],
    )
    price = price.astype(object) if prices.dtype == object else price
    price[converted] = prices
    receivers, _ = fold(Operations(group, kind, price, quantity).take(second_rows))
    return _table([(givers, first_rows), (receivers, second_rows)], account, token)


def _group(account: Integers, token: Integers) -> NDArray[np.uint64]:
    """One integer per pair, equal for equal pairs, as small as it comes cheaply (small ones sort faster)."""
    if not account.size:
        return np.zeros(0, np.uint64)
    low_account, low_token = int(account.min()), int(token.min())
    token_range = int(token.max()) - low_token + 1
    if (int(account.max()) - low_account + 1) * token_range >= 2**63:
        _, account = np.unique(account, return_inverse=True)
        _, token = np.unique(token, return_inverse=True)
        low_account, low_token, token_range = 0, 0, int(token.max()) + 1
    return ((account - low_account) * token_range + (token - low_token)).astype(np.uint64)


def _conversion_prices(
    given: Integers, averages: NDArray[Any], received: Integers, inside: Integers, outside: Integers
) -> NDArray[Any]:
    """Price of each received YES share: ``(noPrice·k − S·(k−1)) / (n−k)`` with ``noPrice = Σ averages / k``, truncated.

    Args:
        given, averages: conversion number and average of each NO given up.
        received, inside, outside: conversion number, k and n − k of each YES received.
    """
    count = int(max(given.max(initial=-1), received.max(initial=-1))) + 1
    wide = averages.dtype == object or np.abs(averages).max(initial=0) >= 2**53
    sums: NDArray[Any] = np.zeros(count, object if wide else np.int64)
    np.add.at(sums, given, averages)
    found = np.bincount(given, minlength=count)[received]
    if np.any(found != inside):
        number = int(received[np.flatnonzero(found != inside)[0]])
        raise InvariantError(
            f"conversion {number} does not give up one share kind per question of its index set",
            "operations of one conversion must stay together",
        )
    no_price = truncate_all(sums[received], inside)
    result: NDArray[Any] = truncate_all(no_price * inside - SCALE * (inside - 1), outside)
    if result.dtype == object and max(map(abs, result.tolist()), default=0) < 2**63:
        return result.astype(np.int64)
    return result


def _table(parts: list[tuple[Positions, Integers | None]], account: Integers, token: Integers) -> pa.Table:
    tables = []
    for positions, rows in parts:
        first = positions.first_row if rows is None else rows[positions.first_row]
        values = [
            _decimals(column, {place: state[index] for place, state in positions.wide.items()})
            for index, column in enumerate((positions.amount, positions.average, positions.profit, positions.bought))
        ]
        tables.append(
            pa.Table.from_arrays([pa.array(account[first]), pa.array(token[first]), *values], schema=POSITIONS)
        )
    return pa.concat_tables(tables)


def _decimals(values: Integers, wide: dict[int, int]) -> pa.Array:
    """int64 values as 128-bit decimals, with the given places replaced by wider integers."""
    words = np.empty((len(values), 2), np.int64)
    words[:, 0] = values
    words[:, 1] = values >> 63
    for place, value in wide.items():
        if abs(value) >= 10**38:
            raise InvariantError(
                f"a sum of {value} micro-units has more than 38 digits", "check the amounts of the logs"
            )
        words[place] = np.frombuffer(value.to_bytes(16, "little", signed=True), np.int64)
    return pa.Array.from_buffers(_RESULT_TYPE, len(values), [None, pa.py_buffer(words)])
