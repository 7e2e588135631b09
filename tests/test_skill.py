"""Breakdown and skill against a calculation by hand, fill by fill; intervals and shrinkage against their rules."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyledger.insight.breakdown import add_insight
from polyledger.insight.sentence import sentence
from polyledger.insight.skill import trading_sums
from polyledger.insight.statistics import RatioSums, fit_ratio, fit_share, ratio, share, wilson
from polyledger.store.database import Database
from polyledger.workspace import Workspace
from tests.worlds import document_of, replica_of, sync, workspace_at, world_of

SHIPPED = Path(__file__).parent.parent / "src/polyledger/replica/worlds"
Z = 1.959963984540054


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    folder = tmp_path_factory.mktemp("skill")
    with replica_of(world_of()) as url:
        sync(folder, url)
        with workspace_at(folder, url) as workspace:
            yield workspace


@pytest.fixture(scope="module")
def broken_down(ledger: Workspace) -> dict[str, Any]:
    documents = ledger.wallets().document["wallets"]
    ledger.close()
    database = Database(ledger.path / "ledger.duckdb", read_only=True, memory_limit=None, threads=None)
    try:
        return {w["wallet"]: w for w in add_insight(database, documents)}
    finally:
        database.close()


def test_breakdown_and_skill_equal_a_calculation_by_hand(broken_down: dict[str, Any], ledger: Workspace) -> None:
    """One loop over the fills of the truth file; lives of markets and last prices by plain search."""
    truth = document_of(SHIPPED / "devworld_truth.json.gz")
    logs = document_of(SHIPPED / "devworld_logs.json.gz")
    times = {int(b["number"], 16): int(b["timestamp"], 16) for b in logs["blocks"]}
    some = dict(list(broken_down.items())[::3])
    by_hand = Oracle(truth, times, ledger, set(some))
    checked = 0
    for address, document in some.items():
        for part in [document, *document["categories"]]:
            expected = by_hand.figures(address, part.get("category"))
            skill = part["skill"]
            assert part["early_share"] == pytest.approx(expected["early_share"], nan_ok=True)
            assert part["late_share"] == pytest.approx(expected["late_share"], nan_ok=True)
            assert float(part["paid"]) == pytest.approx(expected["paid"])
            if part["position_size"]["median"] is not None:
                assert float(part["position_size"]["median"]) == pytest.approx(expected["median"], abs=1e-6)
            for measure in ("brier", "closing_line", "profit_per_dollar"):
                assert skill[measure]["value"] == pytest.approx(expected[measure]), (address, measure)
            assert (skill["hit_rate"]["value"] or 0) == pytest.approx(expected["hit_rate"] or 0)
            assert skill["hit_rate"]["markets"] == expected["hit_markets"]
            checked += 1
    assert checked > 30


def test_what_is_asked_of_one_wallet_is_what_is_said_of_it_among_all(
    ledger: Workspace,
) -> None:
    """Alone, only the conditions that it traded are looked at; last prices in them are those of everybody."""
    ledger.close()
    database = Database(ledger.path / "ledger.duckdb", read_only=True, memory_limit=None, threads=None)
    try:
        everybody = trading_sums(database).table
        for account in sorted(set(everybody["account"].to_pylist()))[:6]:
            rows = everybody.filter(pc.equal(everybody["account"], account)).to_pylist()
            alone = trading_sums(database, account).table.to_pylist()
            assert [row["category"] for row in alone] == [row["category"] for row in rows]
            for one, other in zip(alone, rows, strict=True):
                assert {k: v for k, v in one.items() if k != "category"} == pytest.approx(
                    {k: v for k, v in other.items() if k != "category"}
                )
    finally:
        database.close()


class Oracle:
    """Figures from the truth file, one fill at a time."""

    def __init__(self, truth: Any, times: dict[int, int], ledger: Workspace, wallets: set[str]) -> None:
        self.conditions = {c["condition_id"]: c for c in truth["conditions"]}
        self.of_token = {
            token: (c["condition_id"], index) for c in truth["conditions"] for index, token in enumerate(c["token_ids"])
        }
        rows = ledger.sql(
            "SELECT wallet, token_id, side, shares, collateral, leftover, block, log_index FROM fills "
            "ORDER BY block, log_index"
        ).document["rows"]
        facts = {
            row[0]: row[1:]
            for row in ledger.sql("SELECT condition_id, prepared_block, resolved_block FROM conditions").document[
                "rows"
            ]
        }
        self.lives = {}
        for condition, (prepared, resolved) in facts.items():
            if resolved is not None:
                opened, closed = times[prepared], times[resolved]
                tenth = (closed - opened) // 10
                self.lives[condition] = (opened + tenth, closed - tenth, resolved)
        last: dict[str, float] = {}
        self.fills = []
        for wallet, token, side, shares, collateral, leftover, block, _ in rows:
            condition, index = self.of_token[token]
            resolved = self.lives.get(condition, (0, 0, math.inf))[2]
            if block < resolved or resolved is math.inf:
                last[token] = collateral / shares
            own = collateral - (leftover if side == "BUY" else 0)
            self.fills.append((wallet, condition, index, side, shares, collateral, own, times[block]))
        self.closing = last
        self.pnl = {
            (w, p["condition"]): p for w in wallets for p in ledger.wallet(w).document["positions"] if "condition" in p
        }

    def close_of(self, condition: str, index: int) -> float:
        tokens = self.conditions[condition]["token_ids"]
        if tokens[index] in self.closing:
            return self.closing[tokens[index]]
        return 1 - self.closing[tokens[1 - index]]

    def figures(self, wallet: str, category: str | None) -> dict[str, Any]:
        sums: dict[str, float] = defaultdict(float)
        volumes: dict[str, int] = defaultdict(int)
        lean: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
        for who, condition, index, side, shares, collateral, own, time in self.fills:
            if who != wallet or category not in {None, self.pnl[who, condition]["category"]}:
                continue
            volumes[condition] += own
            if condition not in self.lives:
                continue
            numerators = self.conditions[condition]["payout_numerators"]
            payout, price = numerators[index] / sum(numerators), collateral / shares
            early_end, late_start, _ = self.lives[condition]
            sums["timed"] += own
            sums["early"] += own if time <= early_end else 0
            sums["late"] += own if time >= late_start else 0
            sums["paid"] += own if side == "BUY" else 0
            sums["error"] += shares * (price - payout) ** 2
            sums["shares"] += shares
            gain = shares * self.close_of(condition, index) - collateral
            sums["gain"] += gain if side == "BUY" else -gain
            sums["staked"] += collateral
        for condition, volume in volumes.items():
            if condition not in self.lives:
                continue
            position = self.pnl[wallet, condition]
            for outcome in position["outcomes"]:
                index = self.of_token[outcome["token"]][1]
                lean[condition][index] = round((float(outcome["bought"]) - float(outcome["sold"])) * 1e6)
            sums["pnl"] += round(float(position["realized_pnl"]) * 1e6)
            sums["volume"] += volume
            numerators = self.conditions[condition]["payout_numerators"]
            if len(numerators) == 2 and lean[condition][0] != lean[condition][1] and numerators[0] != numerators[1]:
                sums["sides"] += 1
                sums["hits"] += (lean[condition][0] > lean[condition][1]) == (numerators[0] > numerators[1])
        ratio_of = lambda x, w: sums[x] / sums[w] if sums[w] else None  # noqa: E731
        return {
            "early_share": ratio_of("early", "timed"),
            "late_share": ratio_of("late", "timed"),
            "paid": sums["paid"] / 1e6,
            "brier": ratio_of("error", "shares"),
            "closing_line": ratio_of("gain", "staked"),
            "profit_per_dollar": ratio_of("pnl", "volume"),
            "hit_rate": ratio_of("hits", "sides"),
            "hit_markets": int(sums["sides"]),
            "median": float(np.median(list(volumes.values()) or [0])) / 1e6,
        }


@given(st.integers(0, 200), st.integers(0, 200))
def test_wilsons_interval_holds_where_its_score_test_does(successes: int, failures: int) -> None:
    trials = successes + failures
    low, high = (float(v[0]) for v in wilson(np.array([float(successes)]), np.array([float(trials)])))
    if trials == 0:
        assert math.isnan(low)
        assert math.isnan(high)
        return
    observed = successes / trials
    assert 0 <= low <= observed <= high <= 1
    for end in (low, high):
        if 0 < end < 1:  # the ends are where the score statistic is exactly z
            assert abs(observed - end) / math.sqrt(end * (1 - end) / trials) == pytest.approx(Z, rel=1e-6)


markets = st.lists(st.tuples(st.floats(-100, 100), st.floats(1, 100)), min_size=1, max_size=8)


@given(st.lists(markets, min_size=2, max_size=12))
def test_ratios_shrink_by_the_written_rule(wallets: list[list[tuple[float, float]]]) -> None:
    """The rule of docs/concepts/skill.md, in loops."""
    sums = RatioSums(
        x=np.array([sum(x for x, _ in m) for m in wallets]),
        w=np.array([sum(w for _, w in m) for m in wallets]),
        xx=np.array([sum(x * x for x, _ in m) for m in wallets]),
        xw=np.array([sum(x * w for x, w in m) for m in wallets]),
        ww=np.array([sum(w * w for _, w in m) for m in wallets]),
        n=np.array([float(len(m)) for m in wallets]),
    )
    prior = fit_ratio(sums)
    if prior is None:
        assert all(len(m) == 1 for m in wallets)
        return
    residuals = []
    for m in wallets:
        value = sum(x for x, _ in m) / sum(w for _, w in m)
        mean_weight = sum(w for _, w in m) / len(m)
        residuals.append(sum(((x - value * w) / mean_weight) ** 2 for x, w in m))
    within = sum(residuals) / sum(len(m) - 1 for m in wallets)
    assert prior.within == pytest.approx(within, rel=1e-6, abs=1e-6)
    if within < 1e-6:
        return
    errors = [math.sqrt((5 * within + r) / (5 + len(m) - 1) / len(m)) for m, r in zip(wallets, residuals, strict=True)]
    estimate = ratio(sums, prior)
    for i, error in enumerate(errors):
        trust = prior.between / (prior.between + error**2)
        assert estimate.shrunk[i] == pytest.approx(
            prior.mean + trust * (estimate.value[i] - prior.mean), rel=1e-4, abs=1e-6
        )
        assert estimate.high[i] - estimate.value[i] == pytest.approx(Z * error, rel=1e-4, abs=1e-6)
        # Shrinking never passes the mean and never moves away from it.
        assert min(prior.mean, estimate.value[i]) - 1e-9 <= estimate.shrunk[i]
        assert estimate.shrunk[i] <= max(prior.mean, estimate.value[i]) + 1e-9


def test_three_lucky_bets_do_not_lead() -> None:
    rng = np.random.default_rng(1)
    trials = np.concatenate([np.full(200, 100.0), [3.0]])
    successes = np.concatenate([rng.binomial(100, rng.beta(30, 30, 200)).astype(float), [3.0]])
    estimate = share(successes, trials, fit_share(successes, trials))
    assert estimate.value[-1] == 1.0
    assert int(np.argmax(estimate.shrunk)) != 200
    assert np.sum(estimate.shrunk > estimate.shrunk[-1]) > 10


def test_nobody_to_compare_with_gives_no_figure() -> None:
    nothing = np.array([0.0])
    assert fit_share(nothing, nothing) is None
    assert math.isnan(share(nothing, nothing, None).shrunk[0])
    sums = RatioSums(nothing, nothing, nothing, nothing, nothing, nothing)
    assert fit_ratio(sums) is None
    assert math.isnan(ratio(sums, None).value[0])


def test_the_sentence_says_what_is_known(broken_down: dict[str, Any]) -> None:
    assert all(" USDC)" in wallet["sentence"] and " settled." in wallet["sentence"] for wallet in broken_down.values())
    first = next(iter(broken_down.values()))
    unsettled = {**first, "resolved_conditions": 0, "traded_conditions": 3}
    assert sentence(unsettled) == "Not enough data: none of its 3 traded conditions is settled yet."
    assert "no trades" in sentence({**unsettled, "traded_conditions": 0})
    total = {
        **first,
        "realized_pnl": "10.000000",
        "coverage": {"conditions": 0.8, "volume": 0.9},
        "categories": [
            {"category": "Elections", "realized_pnl": "12.000000", "predominant_side": "NO"},
            {"category": "Sports", "realized_pnl": "-2.000000", "predominant_side": "YES"},
        ],
    }
    assert sentence(total) == (
        "All of this wallet's profit is in Elections (+12.00 USDC), mostly on the NO side, "
        "with 80 % of its conditions settled."
    )
