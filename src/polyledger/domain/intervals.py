"""Interval algebra over block numbers (or any integers), as pure functions.

An interval is closed, ``(first, last)`` with ``first <= last``. A *normal* list is sorted, disjoint and without
neighbours that touch; every function takes any list and returns a normal one. What is missing is
``difference(required, done)``, and that subtraction is all there is to resuming.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from polyledger.domain.errors import UsageError


class Interval(NamedTuple):
    """All integers from `first` to `last`, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """How many integers it holds."""
        return self.last - self.first + 1


Intervals = Iterable[tuple[int, int]]


def normalise(intervals: Intervals) -> list[Interval]:
    """The normal list that covers the same integers. Raises UsageError when an interval ends before it starts."""
    merged: list[Interval] = []
    for first, last in sorted(intervals):
        if last < first:
            raise UsageError(f"The interval {first}–{last} ends before it starts")
        if merged and first <= merged[-1].last + 1:
            merged[-1] = Interval(merged[-1].first, max(merged[-1].last, last))
        else:
            merged.append(Interval(first, last))
    return merged


def union(*lists: Intervals) -> list[Interval]:
    """Everything that is in at least one of the lists."""
    return normalise(interval for one in lists for interval in one)


def difference(minuend: Intervals, subtrahend: Intervals) -> list[Interval]:
    """Everything that is in the first list and not in the second."""
    remaining: list[Interval] = []
    holes = normalise(subtrahend)
    position = 0
    for first, last in normalise(minuend):
        start = first
        while position < len(holes) and holes[position].last < start:
            position += 1
        for hole in holes[position:]:
            if hole.first > last:
                break
            if start < hole.first:
                remaining.append(Interval(start, hole.first - 1))
            start = hole.last + 1
        if start <= last:
            remaining.append(Interval(start, last))
    return remaining


def intersection(left: Intervals, right: Intervals) -> list[Interval]:
    """Everything that is in both lists."""
    left = normalise(left)
    return difference(left, difference(left, right))


def total(intervals: Intervals) -> int:
    """How many integers the list covers, each counted once."""
    return sum(interval.length for interval in normalise(intervals))


def covers(intervals: Intervals, first: int, last: int) -> bool:
    """Whether every integer from `first` to `last` is in the list; an empty span (last < first) always is."""
    return last < first or not difference([(first, last)], intervals)


def chunks(intervals: Intervals, size: int) -> Iterator[Interval]:
    """The list cut into pieces of at most `size` integers, in order. Raises UsageError for a size below one."""
    if size < 1:
        raise UsageError(f"Intervals cannot be cut into pieces of {size}")
    for first, last in normalise(intervals):
        for start in range(first, last + 1, size):
            yield Interval(start, min(start + size - 1, last))
