"""Batches that cannot be answers: judged as a whole, and no sound batch is."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from polyledger.domain.records import EventRecord, MarketRecord, MarketState, Settlement, TokenRecord
from polyledger.identity import quarantine

keys = st.binary(min_size=2, max_size=2)
OPEN = Settlement(MarketState.OPEN)


def judged(rows: list[tuple[bytes, str | None]]) -> quarantine.Judgement:
    asked = pa.array([key for key, _ in rows], pa.binary())
    return quarantine.judge_values("market id", asked, pa.array([value for _, value in rows], pa.string()))


@given(st.lists(keys, unique=True), st.integers(1, 3))
def test_a_market_of_its_own_for_every_key_is_sound(asked: list[bytes], repeats: int) -> None:
    rows = [(key, key.hex()) for key in asked] * repeats
    assert not judged(rows).rows.any()
    assert judged(rows).pattern == ""


@given(st.lists(keys, unique=True, min_size=5))
def test_one_value_for_five_keys_or_more_is_set_aside_whole(asked: list[bytes]) -> None:
    judgement = judged([(key, "12") for key in asked])
    assert judgement.rows.all()
    assert judgement.keys == len(asked)
    assert '"12"' in judgement.pattern


@given(st.lists(st.tuples(keys, st.one_of(st.none(), st.sampled_from("abcdefgh"))), max_size=40), st.randoms())
def test_what_is_set_aside_follows_the_rule_in_any_order(rows: list[tuple[bytes, str | None]], order: object) -> None:
    said = {(key, value) for key, value in rows if value is not None}
    distinct = {key for key, _ in said}
    counts = Counter(value for _, value in said)
    if len(distinct) >= 5 and 2 * len(counts) <= len(distinct):
        expected = [True] * len(rows)
    else:
        expected = [value is not None and counts[value] >= 5 for _, value in rows]
    judgement = judged(rows)
    assert judgement.rows.tolist() == expected
    assert bool(judgement.pattern) == any(expected)
    order.shuffle(rows)  # type: ignore[attr-defined]
    assert judged(rows).pattern == judgement.pattern


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.integers(1, 30))
def test_proven_tokens_are_never_set_aside(unproven: list[bool], conditions: int) -> None:
    mask = np.array(unproven)
    tokens = pa.array([bytes([place]) for place in range(len(unproven))], pa.binary())
    claimed = pa.array([bytes([place % conditions]) for place in range(len(unproven))], pa.binary())
    judgement = quarantine.judge_tokens(tokens, claimed, mask)
    assert not (judgement.rows & ~mask).any()
    used = {place % conditions for place, open_row in enumerate(unproven) if open_row}
    assert judgement.rows.any() == (sum(unproven) >= 9 and 4 * len(used) <= sum(unproven))


def test_a_lost_field_is_not_read_as_an_answer() -> None:
    asked = pa.array([bytes([number]) for number in range(30)], pa.binary())
    nothing = pa.nulls(30, pa.string())
    assert quarantine.judge_emptiness("market id", asked, nothing).rows.all()
    assert not quarantine.judge_emptiness("market id", asked[:19], nothing[:19]).rows.any()
    undecided = pa.array(["closed_unresolved"] * 30)
    assert quarantine.judge_states(asked, undecided).rows.all()
    assert not quarantine.judge_states(asked, pa.array(["closed_unresolved"] * 29 + ["open"])).rows.any()


def test_a_record_answers_the_key_it_carries() -> None:
    market = MarketRecord(
        "gamma", "0xaa", "5", "?", "slug", False, OPEN, None, ("1", "2"), event=EventRecord("gamma", "7")
    )
    assert all(quarantine.echoes(key, market) for key in ("0xaa", "5", "slug", "1", "2"))
    assert not any(quarantine.echoes(key, market) for key in ("0xab", "6", "", "3"))
    token = TokenRecord("data_api", "1", "0xaa")
    assert quarantine.echoes("1", token)
    assert quarantine.echoes("0xaa", token)
    assert not quarantine.echoes("2", token)
