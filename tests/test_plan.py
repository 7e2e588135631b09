"""Plans from what is missing: who is asked, in which order, at what cost. No network, no database."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyledger.domain.errors import UsageError
from polyledger.domain.records import Kind
from polyledger.sources.lookups import (
    CATEGORY,
    CONDITION,
    EVENT,
    MARKET,
    RESOLUTION,
    Capability,
    Walk,
)
from polyledger.sync.board import Board
from polyledger.sync.missing import Missing, MissingKeys
from polyledger.sync.plan import build_plan
from polyledger.sync.planning import plan_document
from polyledger.sync.ranking import DAY, Tier
from polyledger.sync.rates import Rates
from polyledger.sync.stages import Offer, Only, Plan, ScanEstimate, WalkOffer

NOW = 1_800_000_000
ALL = frozenset({CONDITION, MARKET, EVENT, CATEGORY, RESOLUTION})
GAMMA = Offer(Capability("gamma", Kind.MARKET, 98, ALL, 1.2), 15.0)
CLOB = Offer(Capability("clob", Kind.MARKET, 1, frozenset({CONDITION, MARKET, CATEGORY, RESOLUTION})), 45.0)


def keys_of(kind: Kind, count: int, **given: Any) -> MissingKeys:
    """Keys k0, k1 …, the heavier the lower their number, unless told otherwise."""
    nothing = np.zeros(count, np.bool_)
    fields: dict[str, Any] = {
        "keys": np.array([f"k{number:06d}" for number in range(count)], dtype=object),
        "trades": np.arange(count, 0, -1, dtype=np.int64),
        "volume": np.arange(count, 0, -1, dtype=np.int64) * 1_000_000,
        "last_trade": np.full(count, NOW - 200 * DAY, np.int64),
        "of_chain": nothing,
        "later": nothing,
        "over": nothing,
        "named": nothing,
        "barred": {},
    }
    return MissingKeys(kind=kind, **fields | given)


def missing_of(*kinds: MissingKeys) -> Missing:
    trades = sum(int(keys.trades.sum()) for keys in kinds)
    volume = sum(int(keys.volume.sum()) for keys in kinds)
    return Missing({keys.kind: keys for keys in kinds}, trades, volume, 0, NOW)


def asked(plan: Plan, source: str, kind: Kind) -> list[str]:
    """The keys that the plan has a source asked first, in order."""
    return [
        str(plan.routes[kind].keys[at]) for stage in plan.of(source) if stage.kind is kind for at in stage.positions
    ]


def test_keys_go_to_the_source_that_finds_most_per_request_in_full_batches() -> None:
    plan = build_plan(missing_of(keys_of(Kind.MARKET, 44_047)), [CLOB, GAMMA], rates=Rates())
    assert asked(plan, "gamma", Kind.MARKET) == [f"k{number:06d}" for number in range(44_047)]
    first = [stage for stage in plan.stages if not stage.depends]
    assert {stage.source for stage in first} == {"gamma"}
    assert 450 <= sum(stage.requests for stage in first) <= 1.25 * 44_047 / 98
    assert [stage.gain_per_request for stage in first] == sorted((s.gain_per_request for s in first), reverse=True)
    # What Gamma is not expected to know is left to the CLOB, as few keys as that is.
    (later,) = [stage for stage in plan.stages if stage.depends]
    assert (later.source, later.keys) == ("clob", 88)
    assert plan.requests <= 650


def test_expected_gain_is_the_measured_share_not_all_of_it() -> None:
    keys = keys_of(Kind.MARKET, 1000)
    place = ("gamma", Kind.MARKET, Tier.OLD)
    plan = build_plan(missing_of(keys), [GAMMA], rates=Rates(asked={place: 10_000}, found={place: 4_000}))
    found = sum(stage.found or 0 for stage in plan.stages)
    assert found == pytest.approx(400, abs=3)
    assert sum(stage.volume or 0 for stage in plan.stages) == pytest.approx(0.4 * keys.volume.sum(), rel=0.01)


def test_resolutions_are_planned_by_age_because_old_markets_are_over() -> None:
    offer = Offer(Capability("data_api", Kind.RESOLUTION, 20, frozenset({RESOLUTION})), 10.0)
    last = np.repeat(np.array([NOW - DAY, NOW - 60 * DAY, NOW - 300 * DAY]), 100)
    keys = keys_of(Kind.RESOLUTION, 300, last_trade=last, trades=np.ones(300, np.int64), volume=np.ones(300, np.int64))
    plan = build_plan(missing_of(keys), [offer], rates=Rates())
    assert [stage.tier for stage in plan.stages] == [Tier.OLD, Tier.MIDDLE, Tier.YOUNG]
    shares = [(stage.found or 0) / stage.keys for stage in plan.stages]
    assert shares == sorted(shares, reverse=True)


def test_nobody_is_asked_what_the_scan_will_tell_or_what_was_asked_lately() -> None:
    every = np.arange(300)
    keys = keys_of(
        Kind.RESOLUTION, 300, of_chain=every < 100, later=(every >= 100) & (every < 200),
        barred={"data_api": every >= 250},
    )  # fmt: skip
    offer = Offer(Capability("data_api", Kind.RESOLUTION, 20, frozenset({RESOLUTION})), 10.0)
    plan = build_plan(missing_of(keys), [offer], rates=Rates())
    assert asked(plan, "data_api", Kind.RESOLUTION) == [f"k{number:06d}" for number in range(200, 250)]
    without = build_plan(missing_of(keys), [offer], rates=Rates(), chain_enabled=False)
    assert len(asked(without, "data_api", Kind.RESOLUTION)) == 150


def test_a_market_answer_tells_the_resolution_too() -> None:
    markets, ends = keys_of(Kind.MARKET, 50), keys_of(Kind.RESOLUTION, 80)
    resolves = Offer(Capability("gamma", Kind.RESOLUTION, 98, ALL, 1.2), 15.0)
    plan = build_plan(missing_of(markets, ends), [GAMMA, resolves], rates=Rates())
    assert len(asked(plan, "gamma", Kind.MARKET)) == 50
    assert asked(plan, "gamma", Kind.RESOLUTION) == [f"k{number:06d}" for number in range(50, 80)]


def test_long_work_is_shared_between_sources_that_are_nearly_as_fast() -> None:
    data = Offer(Capability("data_api", Kind.TOKEN, 50, frozenset({CONDITION})), 10.0)
    gamma = Offer(Capability("gamma", Kind.TOKEN, 84, ALL, 1.2), 15.0)
    clob = Offer(Capability("clob", Kind.TOKEN, 1, frozenset({CONDITION})), 45.0)
    plan = build_plan(missing_of(keys_of(Kind.TOKEN, 100_000)), [data, gamma, clob], rates=Rates())
    parts = {source: asked(plan, source, Kind.TOKEN) for source in ("data_api", "gamma", "clob")}
    assert not parts["clob"]
    assert set(parts["data_api"]).isdisjoint(parts["gamma"])
    assert len(parts["data_api"]) + len(parts["gamma"]) == 100_000
    times = {
        source: sum(stage.seconds for stage in plan.of(source) if not stage.depends) for source in ("data_api", "gamma")
    }
    assert max(times.values()) < 1.1 * min(times.values())
    short = build_plan(missing_of(keys_of(Kind.TOKEN, 200)), [data, gamma, clob], rates=Rates())
    assert len(asked(short, "gamma", Kind.TOKEN)) == 200


def test_a_list_is_walked_where_that_is_cheaper() -> None:
    walk = Walk("clob", "markets", Kind.MARKET, 1000, ALL)
    clob = Offer(Capability("clob", Kind.RESOLUTION, 1, ALL), 45.0)
    missing = missing_of(keys_of(Kind.RESOLUTION, 5_000))
    cheap = build_plan(missing, [clob], rates=Rates(), walks=[WalkOffer(walk, 100_000, 4.0)])
    assert [(stage.action, stage.requests, stage.keys) for stage in cheap.stages] == [("walk-resolutions", 100, 5_000)]
    dear = build_plan(missing, [clob], rates=Rates(), walks=[WalkOffer(walk, 10_000_000, 4.0)])
    assert {stage.action for stage in dear.stages} == {"resolutions"}


def test_a_budget_buys_the_best_part() -> None:
    plan = build_plan(missing_of(keys_of(Kind.MARKET, 44_047)), [GAMMA], rates=Rates(), budget=5.0)
    document = plan_document(plan)
    assert not document["fits_budget"]
    shares = [stage["within_budget"] for stage in document["stages"]]
    assert shares == sorted(shares, reverse=True)
    assert 0 < document["buys"]["requests"] <= 76
    assert float(document["buys"]["volume"]) > 0.2 * 44_047 * 44_048 / 2
    assert plan_document(build_plan(missing_of(), [GAMMA], rates=Rates(), budget=5.0))["fits_budget"] is True


def test_a_scan_of_millions_of_requests_is_priced_and_something_better_is_suggested() -> None:
    scan = ScanEstimate(blocks=80_000_000, requests=8_000_000, seconds=400_000.0, blocks_per_request=10)
    document = plan_document(build_plan(missing_of(), [GAMMA], rates=Rates(), scan=scan, budget=21_600))
    assert document["stages"][0] == {
        "source": "chain", "action": "scan", "keys": 80_000_000, "requests": 8_000_000, "seconds": 400_000.0,
        "expected": {"found": None, "trades": None, "volume": None}, "tier": None, "depends": False,
        "within_budget": 0.054,
    }  # fmt: skip
    assert "import --as logs" in document["suggestions"][0]
    assert "--wallet" in document["suggestions"][0]


def test_only_keeps_to_sources_and_actions() -> None:
    missing = missing_of(keys_of(Kind.MARKET, 10))
    assert {s.source for s in build_plan(missing, [GAMMA, CLOB], rates=Rates(), only=Only.of(["clob"])).stages} == {
        "clob"
    }
    assert build_plan(missing, [GAMMA], rates=Rates(), only=Only.of(["tokens"])).stages == ()
    with pytest.raises(UsageError, match="market-ids"):
        Only.of(["gama"])


def test_named_markets_are_not_asked_of_a_source_that_only_names() -> None:
    keys = keys_of(Kind.MARKET, 10, named=np.ones(10, np.bool_), barred={"gamma": np.ones(10, np.bool_)})
    assert build_plan(missing_of(keys), [GAMMA, CLOB], rates=Rates()).stages == ()


# --- the board, which deals the keys of a plan out while sources answer


def board_of(plan: Plan) -> Board:
    return Board(plan.routes, plan.stages)


def test_what_one_source_does_not_know_goes_to_the_next_and_answers_end_the_search() -> None:
    plan = build_plan(missing_of(keys_of(Kind.MARKET, 3)), [GAMMA, CLOB], rates=Rates())
    board = board_of(plan)
    assert board.take("clob", Kind.MARKET, 9) == []
    assert board.may_come("clob", Kind.MARKET)
    assert board.take("gamma", Kind.MARKET, 9) == ["k000000", "k000001", "k000002"]
    board.answered("gamma", Kind.MARKET, "k000000")
    board.unknown("gamma", Kind.MARKET, "k000001")
    board.unknown("gamma", Kind.MARKET, "k000002")
    assert not board.may_come("clob", Kind.MARKET)
    board.known_already(Kind.MARKET, ["k000002"])
    assert board.take("clob", Kind.MARKET, 9) == ["k000001"]
    board.answered("clob", Kind.MARKET, "k000001")  # named, though without a market id: nobody left who has one
    assert board.unasked() == 0
    assert board.missed("gamma") == board.missed("clob") == 0


def test_a_source_that_ends_leaves_its_keys_to_the_others_and_is_missed_where_it_alone_could_tell() -> None:
    plan = build_plan(missing_of(keys_of(Kind.MARKET, 4)), [GAMMA, CLOB], rates=Rates())
    board = board_of(plan)
    taken = board.take("gamma", Kind.MARKET, 2)
    board.give_back("gamma", Kind.MARKET, taken)
    assert board.take("gamma", Kind.MARKET, 1) == ["k000000"]
    board.close("gamma")
    assert board.take("clob", Kind.MARKET, 9) == ["k000000", "k000001", "k000002", "k000003"]
    for key in ("k000000", "k000001"):
        board.answered("clob", Kind.MARKET, key)
    board.unknown("clob", Kind.MARKET, "k000002")
    # The CLOB has no market ids, so what it named is still missed from Gamma.
    assert board.missed("gamma") == 4
    board.close("clob")
    assert board.missed("clob") == 1
    assert board.unasked() == 0


@settings(max_examples=100)
@given(st.integers(1, 30), st.integers(0, 10**9))
def test_every_key_is_asked_of_each_source_at_most_once_and_none_is_forgotten(count: int, seed: int) -> None:
    dice = random.Random(seed)
    every = (
        Capability("a", Kind.TOKEN, 3, ALL),
        Capability("b", Kind.TOKEN, 5, ALL),
        Capability("c", Kind.TOKEN, 1, ALL),
    )
    plan = build_plan(missing_of(keys_of(Kind.TOKEN, count)), [Offer(one, 5.0) for one in every], rates=Rates())
    board = board_of(plan)
    asked_of: list[tuple[str, str]] = []
    answered: set[str] = set()
    closed: set[str] = set()
    while board.unasked():
        source = dice.choice("abc")
        taken = board.take(source, Kind.TOKEN, dice.randint(1, 6))
        for key in taken:
            step = dice.choice(["answered", "unknown", "unknown", "back", "close"])
            if step == "close" and len(closed) < 2:
                board.close(source)
                closed.add(source)
                break
            if step == "back":
                board.give_back(source, Kind.TOKEN, [key])
                continue
            asked_of.append((source, key))
            if step == "answered":
                answered.add(key)
                board.answered(source, Kind.TOKEN, key)
            else:
                board.unknown(source, Kind.TOKEN, key)
    assert len(asked_of) == len(set(asked_of))
    for key in plan.routes[Kind.TOKEN].keys:
        whole = {source for source in "abc" if source not in closed}
        assert key in answered or whole <= {source for source, one in asked_of if one == key}
