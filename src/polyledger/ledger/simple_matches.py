"""Matching the many imported rows that say everything, in transactions where nothing is in doubt.

A row that gives wallet, side, shares and collateral exactly can only be a fill that says the same. Where a transaction
has one such fill, and one such row, that is the match, whatever else is there; every other transaction is left to the
general way (imported_pairs.sql and `Pairs`). Both give the same; this one takes a tenth of the time.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Keys = NDArray[np.int32]
Mask = NDArray[np.bool_]
Columns = Mapping[str, NDArray[Any]]

MOST_FILLS: Final = 16
"""Transactions with more fills are left to the general way."""
_ROWS_AT_ONCE: Final = 1 << 17  # so many that what is compared stays near the processor
_ROUNDING: Final = 1  # micro-units: a price that was multiplied


@dataclass(frozen=True, slots=True)
class SimpleMatches:
    """What came of it: rows and their fills (positions), and which transactions are left."""

    rows: Ints
    fills: Ints
    left: Mask


def simple_matches(rows: Columns, fills: Columns, transactions: int) -> SimpleMatches:
    """Match rows and fills of transactions numbered from zero.

    Args:
        rows: trade, transaction, token (-1: none), key, collateral, simple; see imported_simple_rows.sql.
        fills: transaction, token, key, collateral, plain; see imported_simple_fills.sql.
        transactions: how many there are.
    """
    counts = np.bincount(fills["transaction"], minlength=transactions).astype(np.int32)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int32)
    order = np.argsort(fills["transaction"], kind="stable")
    key, collateral, token = (fills[name][order] for name in ("key", "collateral", "token"))
    left = counts > MOST_FILLS
    if not fills["plain"].all():
        left[fills["transaction"][~fills["plain"]]] = True

    of_row = rows["transaction"]
    if not rows["simple"].all():
        left[of_row[~rows["simple"]]] = True
    found, chosen = np.zeros(len(of_row), np.bool_), np.zeros(len(of_row), np.int32)

    def compare(begin: int) -> None:
        part = slice(begin, begin + _ROWS_AT_ONCE)
        some = of_row[part]
        at, agreeing = _agreeing(rows["key"][part], starts[some], np.minimum(counts[some], MOST_FILLS), key)
        if int(agreeing.max(initial=0)) > 1:
            left[some[agreeing > 1]] = True
        right = agreeing == 1
        right &= np.abs(collateral[at] - rows["collateral"][part]) <= _ROUNDING
        own = rows["token"][part]
        if int(own.max(initial=-1)) >= 0:
            right &= (own < 0) | (own == token[at])
        found[part], chosen[part] = right, at

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        list(threads.map(compare, range(0, len(of_row), _ROWS_AT_ONCE)))
    uses = np.bincount(chosen[found], minlength=len(key))
    if int(uses.max(initial=0)) > 1:
        left[of_row[found & (uses[chosen] > 1)]] = True
    if left.any():
        found &= ~left[of_row]
        left &= (np.bincount(of_row, minlength=transactions) > 0) & (counts > 0)
    done = np.flatnonzero(found)
    return SimpleMatches(done, order[chosen[done]], left)


def _agreeing(
    wanted: NDArray[np.uint64], first: Keys, count: Keys, keys: NDArray[np.uint64]
) -> tuple[Keys, NDArray[np.int8]]:
    """For each row the last of its `count` fills from `first` on with the wanted key, and how many have it."""
    chosen = np.zeros(len(wanted), np.int32)
    agreeing = np.zeros(len(wanted), np.int8)
    for step in range(int(count.max(initial=0))):
        at = np.minimum(first + np.int32(step), np.int32(len(keys) - 1))
        same = (count > step) & (keys[at] == wanted)
        np.copyto(chosen, at, where=same)
        agreeing += same
    return chosen, agreeing
