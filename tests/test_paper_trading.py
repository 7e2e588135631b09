"""Paper trading and brokers: orders take only what was there, limits hold, profit is that of the ledger."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from polyledger.config import TradingSettings
from polyledger.domain.errors import ConfigurationError
from polyledger.insight.trading.brokers import live_broker
from tests import recording_broker
from tests.paths import DEVWORLD_TRUTH
from tests.watching import (
    LIMITS,
    MICRO,
    ON,
    STRATEGIES,
    follow,
    followed_world,
    log,
    opened,
    world_until_middle,
)
from tests.worlds import (
    document_of,
    replica_of,
    sync,
    world_of,
)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with replica_of(world_of()) as running:
        yield running


@pytest.fixture(scope="module")
def whole(url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return followed_world(tmp_path_factory.mktemp("watchlist"), url)


@pytest.fixture(scope="module")
def half(url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world_until_middle(tmp_path_factory.mktemp("half"), url)


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """Its ledger and signals, without its log."""
    folder = shutil.copytree(whole, tmp_path / "copy")
    (folder / "watchlist.jsonl").unlink()
    return folder


def fills_of(folder: Path) -> list[dict[str, Any]]:
    return [
        {**fill, "entry": line["after"], "at": line["at"]}
        for line in log(folder)
        for fill in line["event"].get("fills", ())
    ]


def test_paper_orders_take_no_more_than_was_traded_later_at_their_price(whole: Path, url: str) -> None:
    with opened(whole, url) as workspace:
        recorded = {
            (row[0], row[1]): row[2:]
            for row in workspace.sql(
                "SELECT f.tx, f.log_index, t.token_id, f.role, f.shares, f.collateral "
                "FROM chain.fills AS f JOIN dim.tokens AS t ON t.token = f.token"
            ).document["rows"]
        }  # fmt: skip
        orders = {order["id"]: order for order in workspace.paper().document["orders"]}
    spent: dict[str, int] = defaultdict(int)
    for fill in fills_of(whole):
        token, role, shares, collateral = recorded[fill["tx"], fill["log_index"]]
        order = fill["entry"]["order"]
        assert token == fill["entry"]["token"]
        assert role != 0
        assert fill["shares"] <= shares / 2
        assert (fill["time"], fill["tx"]) > (order["time"], order["tx"])
        price = Fraction(collateral, shares)
        exact = price * fill["shares"]
        if fill["side"] == "BUY":
            assert price * MICRO <= order["limit"]
            assert 0 <= fill["collateral"] - exact < 1
            assert fill["time"] <= order["time"] + 24 * 3600
        else:
            assert 0 <= exact - fill["collateral"] < 1
        assert 0 <= fill["fee"] - Fraction(2, 100) * min(price, 1 - price) * fill["shares"] < 1
        spent[fill["order"]] += fill["collateral"]
    assert len(spent) > 5
    for key, amount in spent.items():
        assert Decimal(orders[key]["collateral"]) == Decimal(amount) / MICRO
        assert orders[key]["side"] == "SELL" or amount <= Decimal(orders[key]["amount"]) * MICRO
        assert orders[key]["category"] in {"Politics", "Sports", "Crypto"}


def test_limits_hold_after_every_line(whole: Path) -> None:
    held: dict[str, Any] = {}
    bound = set()
    for line in log(whole):
        held[line["entry"]] = line["after"]
        at_stake: dict[str, dict[str, int]] = {"market": defaultdict(int), "category": defaultdict(int)}
        for entry in held.values():
            order, position = entry["order"], entry["position"]
            working = order is not None and order["state"] == "working" and order["side"] == "BUY"
            assert not working or order["amount"] <= LIMITS["max_per_order"] * MICRO
            if order is not None and order["cut_by"]:
                bound.add(order["cut_by"])
            done = entry["state"] == "exited" and (
                entry["reason"] == "its market was settled" or not (position or {}).get("shares")
            )
            amount = 0 if done else (order["amount"] if working else 0) + (position["cost"] if position else 0)
            at_stake["market"][entry["condition"]] += amount
            at_stake["category"][entry["category"]] += amount
        assert max(at_stake["market"].values()) <= LIMITS["max_per_market"] * MICRO
        assert max(at_stake["category"].values()) <= LIMITS["max_per_category"] * MICRO
        assert sum(at_stake["market"].values()) <= LIMITS["max_total"] * MICRO
    assert {"max_per_order", "max_per_category"} <= bound


def test_paper_profit_follows_the_rules_of_the_ledger(whole: Path, url: str) -> None:
    """One loop over the fills of the log and the payouts of the truth file."""
    payouts = {
        token: Fraction(c["payout_numerators"][i], sum(c["payout_numerators"]))
        for c in document_of(DEVWORLD_TRUTH)["conditions"]
        if c.get("payout_numerators")
        for i, token in enumerate(c["token_ids"])
    }
    cash: dict[tuple[str, str], int] = defaultdict(int)
    shares: dict[tuple[str, str], int] = defaultdict(int)
    for fill in fills_of(whole):
        key = fill["entry"]["category"], fill["entry"]["token"]
        sign = 1 if fill["side"] == "SELL" else -1
        cash[key] += sign * fill["collateral"] - fill["fee"]
        shares[key] -= sign * fill["shares"]
    profit: dict[str, int] = defaultdict(int)
    for key, amount in cash.items():
        if key[1] in payouts:
            profit[key[0]] += amount + int(shares[key] * payouts[key[1]])
    with opened(whole, url) as workspace:
        document = workspace.paper().document
    assert document["schema"] == "polyledger.paper/1"
    (figures,) = document["strategies"]
    assert {
        p["category"]: Decimal(p["realized_pnl"]) * MICRO for p in figures["categories"] if p["resolved_conditions"]
    } == profit
    assert Decimal(figures["cash_flow"]) * MICRO == sum(cash.values())
    assert Decimal(figures["realized_pnl"]) * MICRO == sum(profit.values())
    assert figures["resolved_conditions"] > 1


def test_with_the_kill_switch_on_no_order_is_placed(copy: Path, url: str) -> None:
    with opened(copy, url) as workspace:
        workspace.stop_trading()
    follow(copy, url)
    orders = [line["after"]["order"] for line in log(copy) if line["after"]["order"]]
    assert orders
    assert {(order["state"], order["reason"]) for order in orders} == {("refused", "kill switch")}
    assert not fills_of(copy)


@pytest.mark.long
def test_the_kill_switch_cancels_what_works_and_nothing_else(half: Path, url: str, tmp_path: Path) -> None:
    folder = shutil.copytree(half, tmp_path / "copy")
    before = log(folder)
    held = {line["entry"]: line["after"] for line in before}
    assert any(entry["order"] and entry["order"]["state"] == "working" for entry in held.values())
    with opened(folder, url) as workspace:
        workspace.stop_trading()
    sync(folder, url, **ON)
    after = log(folder)[len(before) :]
    assert not any(line["event"]["kind"] == "result" and line["event"]["state"] != "cancelled" for line in after)
    held |= {line["entry"]: line["after"] for line in after}
    assert not any(entry["order"] and entry["order"]["state"] == "working" for entry in held.values())
    stopped = [
        line["after"]["order"] for line in after if (line["after"]["order"] or {}).get("reason") == "kill switch"
    ]
    assert {order["state"] for order in stopped} == {"refused", "cancelled"}
    assert {line["event"]["kind"] for line in after} >= {"signal", "settled"}  # entries live on
    with opened(folder, url) as workspace:
        assert workspace.paper().document["stopped"] is True
        workspace.stop_trading(stop=False)
        assert workspace.paper().document["stopped"] is False


LIVE = STRATEGIES.replace('trade = "paper"', 'trade = "live"\nmax_age = "20000d"')


@pytest.mark.parametrize(
    ("trading", "says"),
    [
        ({}, "Live trading is off"),
        ({"broker": "tests.recording_broker:make"}, "Live trading is off"),
        ({"autonomous_trading_enabled": True}, "There is no live broker in polyledger"),
        ({"autonomous_trading_enabled": True, "broker": "tests.recording_broker:none"}, "cannot be made"),
        ({"autonomous_trading_enabled": True, "broker": "tests.recording_broker:make_nothing"}, "makes no live broker"),
        (
            {"autonomous_trading_enabled": True, "broker": "polyledger.insight.trading.paper:PaperBroker"},
            "cannot be made",
        ),
    ],
)
def test_live_trading_refuses_without_both_a_setting_and_a_broker(trading: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        live_broker(TradingSettings(**trading), "follow")


def test_a_strategy_that_would_trade_live_is_refused_before_anything_is_done(copy: Path, url: str) -> None:
    (copy / "strategies.toml").write_text(LIVE)
    with pytest.raises(ConfigurationError, match="Live trading is off, and the strategy follow asks for it"):
        follow(copy, url)
    assert not (copy / "watchlist.jsonl").exists()


@pytest.mark.long
def test_a_broker_of_ones_own_is_given_orders_with_their_category_once(copy: Path, url: str) -> None:
    (copy / "strategies.toml").write_text(LIVE)
    allowed = {"autonomous_trading_enabled": True, "broker": "tests.recording_broker:make"}
    recording_broker.SUBMITTED.clear()
    follow(copy, url, trading=allowed)
    submitted = list(recording_broker.SUBMITTED)
    assert submitted
    assert len({order.id for order in submitted}) == len(submitted)
    assert {order.category for order in submitted} <= {"Politics", "Sports", "Crypto"}
    follow(copy, url, trading=allowed)
    assert submitted == recording_broker.SUBMITTED
    (copy / "watchlist.jsonl").unlink()
    (copy / "strategies.toml").write_text(LIVE.replace("20000d", "1h"))
    follow(copy, url, trading=allowed)  # nobody trades on signals of years ago
    assert submitted == recording_broker.SUBMITTED
    assert any((line["after"]["order"] or {}).get("reason") == "the signal is older than max_age" for line in log(copy))
