"""Which keys are worth asking about first: pure functions over what hangs on each key. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

DAY: Final = 86_400
BAND_SHARES: Final = (0.5, 0.9, 1.0)
"""Work of one kind is cut where these shares of its gain are reached, so that the best of each kind comes first."""
_WORTH_A_CUT: Final = 1.5  # pieces whose keys bring about the same stay one piece


class Tier(StrEnum):
    """How long ago a key was traded last: the older, the likelier its market is over and its answer final."""

    OLD = "> 90 days"
    MIDDLE = "30-90 days"
    YOUNG = "< 30 days"


def tiers(last_trade: Integers, now: int) -> npt.NDArray[np.int8]:
    """Positions in `Tier` by the time of the last trade (seconds; below 0: never, which counts as old)."""
    age = now - last_trade
    young, middle = age < 30 * DAY, age <= 90 * DAY
    result = np.where(young, 2, np.where(middle, 1, 0))
    return np.where(last_trade < 0, 0, result).astype(np.int8)


def scores(trades: Integers, volume: Integers, totals: tuple[int, int]) -> Floats:
    """What a key adds to coverage when it is answered: its share of all trades and of all volume, added.

    Args:
        trades, volume: what hangs on each key.
        totals: of the whole ledger; a measure whose total is 0 takes no part.
    """
    result = np.zeros(len(trades), np.float64)
    for part, total in ((trades, totals[0]), (volume, totals[1])):
        if total > 0:
            result += part / total
    return result


def order(score: Floats, keys: Sequence[str] | npt.NDArray[np.object_]) -> Integers:
    """Positions from the highest score to the lowest; equal ones by key, so that a plan is the same every time."""
    return np.lexsort((np.asarray(keys, dtype=object).astype(str), -score)).astype(np.int64)


def bands(gains: Floats, *, batch: int, shares: Sequence[float] = BAND_SHARES) -> list[tuple[int, int]]:
    """Cut keys that stand in order of gain into spans (first, end) in which the shares of the gain are reached.

    Cuts fall on whole batches, so that no request goes out part full; work of few batches stays in one piece.
    """
    count = len(gains)
    total = float(gains.sum())
    if count <= 4 * batch or total <= 0:
        return [(0, count)] if count else []
    reached = np.cumsum(gains)
    cuts = [0]
    for share in shares[:-1]:
        position = int(np.searchsorted(reached, share * total)) + 1
        cuts.append(min(count, -(-position // batch) * batch))
    cuts.append(count)
    spans: list[tuple[int, int]] = []
    for first, end in pairwise(cuts):
        if first >= end:
            continue
        if spans and _mean(gains, spans[-1]) < _WORTH_A_CUT * _mean(gains, (first, end)):
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((first, end))
    return spans


def _mean(gains: Floats, span: tuple[int, int]) -> float:
    return float(gains[span[0] : span[1]].mean())
