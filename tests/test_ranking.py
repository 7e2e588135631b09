"""What is worth asking first: pure functions, against plain Python."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from polyledger.sync.ranking import DAY, Tier, bands, order, scores, tiers

NOW = 1_800_000_000


def test_tiers_by_the_time_since_the_last_trade() -> None:
    ages = [0, 30 * DAY - 1, 30 * DAY, 90 * DAY, 90 * DAY + 1]
    last = np.array([*(NOW - age for age in ages), -1], np.int64)
    names = [list(Tier)[place] for place in tiers(last, NOW)]
    assert names == [Tier.YOUNG, Tier.YOUNG, Tier.MIDDLE, Tier.MIDDLE, Tier.OLD, Tier.OLD]


def test_a_score_is_a_share_of_trades_and_of_volume() -> None:
    trades, volume = np.array([1, 3], np.int64), np.array([0, 500], np.int64)
    assert scores(trades, volume, (10, 1000)).tolist() == [0.1, 0.8]
    assert scores(trades, volume, (10, 0)).tolist() == [0.1, 0.3]  # no volume at all: trades alone decide
    assert scores(trades, volume, (0, 0)).tolist() == [0.0, 0.0]


@given(
    st.lists(st.tuples(st.integers(0, 5), st.text("ab", min_size=1, max_size=6)), max_size=30, unique_by=lambda r: r[1])
)
def test_order_is_by_score_then_key(rows: list[tuple[int, str]]) -> None:
    found = order(np.array([score for score, _ in rows], np.float64), [key for _, key in rows])
    assert [rows[at] for at in found] == sorted(rows, key=lambda row: (-row[0], row[1]))


@given(st.lists(st.floats(0, 1000), max_size=400).map(lambda gains: sorted(gains, reverse=True)), st.integers(1, 40))
def test_bands_are_whole_batches_without_holes(gains: list[float], batch: int) -> None:
    spans = bands(np.array(gains, np.float64), batch=batch)
    assert [at for first, end in spans for at in range(first, end)] == list(range(len(gains)))
    assert all(first % batch == 0 for first, _ in spans)
    assert len(spans) <= 3
