"""Interval algebra against sets of integers."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyledger.domain.errors import UsageError
from polyledger.domain.intervals import (
    Interval,
    chunks,
    covers,
    difference,
    intersection,
    normalise,
    total,
    union,
)

POINTS = st.integers(-30, 60)
INTERVALS = st.lists(st.tuples(POINTS, st.integers(0, 12)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=12)


def points(intervals: list[Interval] | list[tuple[int, int]]) -> set[int]:
    return {number for first, last in intervals for number in range(first, last + 1)}


def is_normal(intervals: list[Interval]) -> bool:
    return all(first <= last for first, last in intervals) and all(
        left.last + 1 < right.first for left, right in pairwise(intervals)
    )


@given(INTERVALS)
def test_normalise_keeps_the_points(one: list[tuple[int, int]]) -> None:
    assert points(normalise(one)) == points(one)
    assert is_normal(normalise(one))
    assert normalise(normalise(one)) == normalise(one)
    assert total(one) == len(points(one))


@given(INTERVALS, INTERVALS)
def test_union_difference_and_intersection_are_those_of_sets(
    left: list[tuple[int, int]], right: list[tuple[int, int]]
) -> None:
    for result, expected in (
        (union(left, right), points(left) | points(right)),
        (difference(left, right), points(left) - points(right)),
        (intersection(left, right), points(left) & points(right)),
    ):
        assert points(result) == expected
        assert is_normal(result)


@given(INTERVALS, INTERVALS)
def test_what_is_missing_and_what_is_done_make_the_whole(
    required: list[tuple[int, int]], done: list[tuple[int, int]]
) -> None:
    missing = difference(required, done)
    assert not intersection(missing, done)
    assert intersection(union(missing, done), required) == normalise(required)


@given(INTERVALS, POINTS, POINTS)
def test_covers(intervals: list[tuple[int, int]], first: int, last: int) -> None:
    assert covers(intervals, first, last) == (set(range(first, last + 1)) <= points(intervals))


@given(INTERVALS, st.integers(1, 9))
def test_chunks_cut_without_loss(intervals: list[tuple[int, int]], size: int) -> None:
    pieces = list(chunks(intervals, size))
    assert points(pieces) == points(intervals)
    assert sum(piece.length for piece in pieces) == total(intervals)
    assert all(piece.length <= size for piece in pieces)
    assert pieces == sorted(pieces)


def test_neighbours_merge_and_generators_are_accepted() -> None:
    assert normalise([(5, 9), (1, 4)]) == [Interval(1, 9)]
    assert difference(((first, last) for first, last in [(1, 10)]), iter([(3, 4)])) == [(1, 2), (5, 10)]
    assert intersection(iter([(1, 5)]), iter([(4, 8)])) == [(4, 5)]


def test_what_is_no_interval_is_refused() -> None:
    with pytest.raises(UsageError, match="5–4"):
        normalise([(5, 4)])
    with pytest.raises(UsageError):
        list(chunks([(1, 2)], 0))
