"""Which of the fills that it could be an imported row is, where there are several: each fill once per file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Rows and the fills they could be, one pair each."""

    trade: Ints
    fill: Ints
    token: Ints
    file: Ints

    def __len__(self) -> int:
        return len(self.trade)

    def take(self, chosen: Mask | Ints) -> Pairs:
        return Pairs(self.trade[chosen], self.fill[chosen], self.token[chosen], self.file[chosen])

    def unambiguous(self, without_token: Mask, hint: Mask) -> Pairs:
        """Without the pairs of rows that have no token and could be fills of several.

        What such a row says of condition and outcome decides first, where a fill agrees with it.
        """
        row = self.trade - self.trade.min()
        keep = np.ones(len(self), np.bool_)
        if hint.any():
            hinted = np.zeros(int(row.max()) + 1, np.bool_)
            hinted[row[hint]] = True
            keep = ~without_token | hint | ~hinted[row]
        one_token = np.empty(int(row.max()) + 1, np.int32)
        one_token[row[keep]] = self.token[keep]
        differing = keep & without_token & (one_token[row] != self.token)
        if differing.any():
            ambiguous = np.zeros(len(one_token), np.bool_)
            ambiguous[row[differing]] = True
            keep &= ~(without_token & ambiguous[row])
        return self if keep.all() else self.take(keep)

    def matched(self) -> tuple[Ints, Ints]:
        """Rows and their fills: each row once, each fill once per file."""
        if not len(self):
            return self.trade, self.fill
        several = _occurs_again(self.trade - self.trade.min()) | _occurs_again(self.fill)
        alone = self.take(~several)
        trades, fills = [alone.trade], [alone.fill]
        rest = self.take(several)
        while len(rest):
            chosen = rest.round()
            taken = rest.take(chosen)
            trades.append(taken.trade)
            fills.append(taken.fill)
            gone = np.isin(rest.trade, taken.trade) | np.isin(rest.claim(), taken.claim())
            rest = rest.take(~gone)
        return np.concatenate(trades), np.concatenate(fills)

    def claim(self) -> Ints:
        """A fill as one file may use it."""
        return self.fill.astype(np.int64) * (int(self.file.max()) + 1 if len(self) else 1) + self.file

    def round(self) -> Ints:
        """Pairs that can be taken together: rows with the fewest choices first, equal rows spread over equal fills."""
        _, row, count = np.unique(self.trade, return_inverse=True, return_counts=True)
        order = np.lexsort((self.fill, self.trade, count[row]))
        claim = self.claim()[order]
        start = np.flatnonzero(np.concatenate([[True], np.diff(self.trade[order]) != 0]))
        choices = np.diff(np.append(start, len(order)))
        # Among rows that would choose the same fill, the second takes its second choice, and so on.
        _, head = np.unique(claim[start], return_inverse=True)
        by_head = np.argsort(head, kind="stable")
        begins = np.concatenate([[True], np.diff(head[by_head]) != 0])
        first_of_group = np.maximum.accumulate(np.where(begins, np.arange(len(by_head)), 0))
        rank = np.empty(len(by_head), np.int64)
        rank[by_head] = np.arange(len(by_head)) - first_of_group
        wanted = start + np.minimum(rank, choices - 1)
        _, winners = np.unique(claim[wanted], return_index=True)
        return np.asarray(order[wanted[winners]], np.int64)


def _occurs_again(values: Ints) -> Mask:
    """Which values occur more than once; they are small numbers from zero."""
    last = np.empty(int(values.max()) + 1, np.int64)
    places = np.arange(len(values))
    last[values] = places
    again = last[values] != places
    repeated = np.zeros(len(last), np.bool_)
    repeated[values[again]] = True
    return np.asarray(repeated[values], np.bool_)
