"""The watchlist and paper trading: a log that replays to its state, orders that only take what was there, limits."""

from __future__ import annotations

import json
import math
import random
import re
import shutil
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from polyledger.cli.app import run
from polyledger.config import TradingSettings
from polyledger.domain.errors import ConfigurationError, WorkspaceError
from polyledger.insight.signals.rules import parse_rules
from polyledger.insight.trading.brokers import live_broker
from polyledger.insight.watchlist.strategies import parse_strategies
from polyledger.store.database import Database
from polyledger.workspace import Workspace
from tests import recording_broker
from tests.paths import DEVWORLD_TRUTH, PROJECT
from tests.worlds import (
    COMMAND,
    FIRST_BLOCK,
    command_environment,
    control,
    document_of,
    replica_of,
    sync,
    workspace_at,
    world_of,
)

RULES = """
[[rule]]
name = "sharps"
side = "BUY"
min_size = 50
skill = { measure = "profit_per_dollar", at_least = 0.02, min_resolved = 3 }

[[rule]]
name = "entries"
min_size = 20
first_entry = true
categories = ["Politics", "Sports", "Crypto"]

[[rule]]
name = "sales"
side = "SELL"
min_size = 100
"""
LIMITS = {"max_per_order": 40, "max_per_market": 60, "max_per_category": 90, "max_total": 200}
STRATEGIES = f"""
[limits]
{chr(10).join(f"{name} = {value}" for name, value in LIMITS.items())}

[paper]
fee_rate = 0.02
participation = 0.5
patience = "24h"

[[strategy]]
name = "follow"
rules = ["sharps", "entries"]
enter = {{ signals = 2, wallets = 2 }}
exit = {{ rules = ["sales"], after = "3d" }}
trade = "paper"
stake = 50
slippage = 0.05

[[strategy]]
name = "quiet"
rules = ["entries"]
categories = ["Politics"]
min_coverage = 0.1
"""
HISTORY = ("2024-01-01", "2024-01-31")
LAST = FIRST_BLOCK + 527
MIDDLE = FIRST_BLOCK + 454
ON = {"watchlist": {"enabled": True}}
MICRO = 1_000_000


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with replica_of(world_of()) as running:
        yield running


@pytest.fixture(scope="module")
def whole(url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger of everything whose watchlist was made by one replay."""
    folder = tmp_path_factory.mktemp("watchlist")
    sync(folder, url)
    write(folder)
    follow(folder, url)
    return folder


@pytest.fixture(scope="module")
def half(url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger of the first half, whose watchlist was made by its sync."""
    folder = tmp_path_factory.mktemp("half")
    write(folder)
    control(url, head=MIDDLE)
    try:
        sync(folder, url, **ON)
    finally:
        control(url, head=LAST)
    return folder


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """Its ledger and signals, without its log."""
    folder = shutil.copytree(whole, tmp_path / "copy")
    (folder / "watchlist.jsonl").unlink()
    return folder


def write(folder: Path, strategies: str = STRATEGIES, rules: str = RULES) -> None:
    (folder / "signals.toml").write_text(rules)
    (folder / "strategies.toml").write_text(strategies)


def opened(folder: Path, url: str, **more: Any) -> Workspace:
    return workspace_at(folder, url, **{**ON, **more})


def follow(folder: Path, url: str, **more: Any) -> dict[str, Any]:
    with opened(folder, url, **more) as workspace:
        return workspace.replay_signals(*HISTORY)


def log(folder: Path) -> list[dict[str, Any]]:
    """The lines, without the clock of the one who wrote them."""
    texts = (folder / "watchlist.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(text).items() if k != "recorded_at"} for text in texts]


def test_the_log_replays_to_the_state_and_tells_who_caused_each_change(whole: Path, url: str) -> None:
    held: dict[str, Any] = {}
    for number, line in enumerate(log(whole), start=1):
        assert line["seq"] == number
        assert line["before"] == held.get(line["entry"])
        assert line["change"] == [line["before"] and line["before"]["state"], line["after"]["state"]]
        assert (line["category"], line["tags"]) == (line["after"]["category"], line["after"]["tags"])
        if line["event"]["kind"] == "signal":
            assert line["trigger"].keys() >= {"wallet", "coverage", "rank", "rule", "transaction"}
        held[line["entry"]] = line["after"]
    with opened(whole, url) as workspace:
        document = workspace.watchlist().document
    assert {e["id"]: (e["state"], e["signals"], e["order"]) for e in document["entries"]} == {
        key: (e["state"], e["signals"], e["order"]) for key, e in held.items()
    }
    assert list(document["states"]) == ["watching", "escalate", "entered", "exited"]
    assert sum(document["states"].values()) == len(held)
    assert len(held) == len({(e["strategy"], e["condition"]) for e in held.values()})
    assert all(e["category"] == "Politics" for e in held.values() if e["strategy"] == "quiet")
    passed = {tuple(line["change"]) for line in log(whole)}
    assert {("escalate", "entered"), ("entered", "exited"), ("watching", "escalate")} <= passed


def test_nothing_is_done_twice(whole: Path, url: str) -> None:
    before = (whole / "watchlist.jsonl").read_bytes()
    assert sync(whole, url, **ON)["signals"]["watchlist"] == 0
    assert (whole / "watchlist.jsonl").read_bytes() == before


def test_switched_off_it_writes_nothing_and_switched_on_it_catches_up(
    whole: Path, half: Path, url: str, tmp_path: Path
) -> None:
    """On at first, off while half of the world comes in, on again: the log of one that was never off."""
    folder = shutil.copytree(half, tmp_path / "copy")
    first, all_of_them = log(folder), log(whole)
    assert first == all_of_them[: len(first)]
    assert 10 < len(first) < len(all_of_them)
    assert "watchlist" not in sync(folder, url)["signals"]
    assert log(folder) == first
    with workspace_at(folder, url) as workspace, pytest.raises(ConfigurationError, match="is off"):
        workspace.watchlist()
    assert sync(folder, url, **ON)["signals"]["watchlist"] == len(all_of_them) - len(first)
    assert log(folder) == all_of_them


@pytest.mark.parametrize(
    "places",
    [pytest.param((0.5,), id="1"), pytest.param((0, 1e-6, 0.1, 0.3, 0.7, 0.999999), id="6", marks=pytest.mark.long)],
)
def test_a_log_that_breaks_off_anywhere_goes_on_where_it_was(
    places: tuple[float, ...], whole: Path, copy: Path, url: str
) -> None:
    content = (whole / "watchlist.jsonl").read_bytes()
    for place in places:
        size = math.ceil(len(content) * place)
        (copy / "watchlist.jsonl").write_bytes(content[:size])
        follow(copy, url)
        assert log(copy) == log(whole)


@pytest.mark.long
def test_processes_that_are_killed_while_they_write_leave_a_log_that_goes_on(whole: Path, copy: Path, url: str) -> None:
    dice = random.Random(7)
    environment = {**command_environment(url), "POLYLEDGER_WATCHLIST__ENABLED": "true"}
    sizes = set()
    for _ in range(40):
        if len(sizes) >= 8:
            break
        command = [*COMMAND, "-w", str(copy), "signals", "--replay", *HISTORY, "--json"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment) as process:
            file = copy / "watchlist.jsonl"
            goal = dice.randrange(1, 90_000) + (file.stat().st_size if file.exists() else 0)
            while process.poll() is None and not (file.exists() and file.stat().st_size >= goal):
                time.sleep(0.0005)
            process.kill()
            process.communicate()
        if file.exists():
            sizes.add(file.stat().st_size)
            if process.returncode == 0:
                file.unlink()
    assert len(sizes) >= 8
    follow(copy, url)
    assert log(copy) == log(whole)


def test_a_log_that_was_tampered_with_is_refused_with_its_line(whole: Path, copy: Path, url: str) -> None:
    lines = (whole / "watchlist.jsonl").read_text().splitlines(keepends=True)
    (copy / "watchlist.jsonl").write_text("".join([*lines[:4], *lines[5:]]))
    with opened(copy, url) as workspace, pytest.raises(WorkspaceError, match=r"Line 5 of .*watchlist\.jsonl cannot"):
        workspace.watchlist()
    report = sync(copy, url, **ON)
    assert report["state"] == "done"
    assert "Line 5" in report["signals"]["problem"]


def test_metadata_that_arrives_late_is_filled_in_and_then_decides(url: str, tmp_path: Path) -> None:
    write(
        tmp_path,
        '[[strategy]]\nname = "late"\nrules = ["large"]\ncategories = ["Politics"]\nescalate = { signals = 1 }\n',
        '[[rule]]\nname = "large"\nside = "BUY"\nmin_size = 300\n',
    )
    silent = {name: {"enabled": False} for name in ("gamma", "clob", "data_api", "subgraph")}
    sync(tmp_path, url, **ON, **silent)
    first = log(tmp_path)
    assert {line["after"]["state"] for line in first} <= {"watching", "exited"}
    assert all({"category", "tags", "market"} <= set(line["after"]["missing"]) for line in first)
    sync(tmp_path, url, **ON)
    news = [line for line in log(tmp_path)[len(first) :] if line["event"]["kind"] == "metadata"]
    assert {line["entry"] for line in news} == {line["entry"] for line in first}
    for line in news:
        before, after = line["before"], line["after"]
        assert before["category"] is None
        assert after["missing"] == []
        assert line["event"]["changed"] == ["category", "event", "market", "question", "tags"] or line["event"][
            "changed"
        ] == ["category", "event", "market", "outcome", "question", "tags"]
        if before["state"] == "watching":
            politics = after["category"] == "Politics"
            assert after["state"] == ("escalate" if politics else "exited")
            assert politics or after["reason"] == f"its category is {after['category']}"
    assert {line["after"]["state"] for line in news} == {"escalate", "exited"}


def test_a_signal_that_a_reorg_took_back_is_taken_back(whole: Path, copy: Path, url: str) -> None:
    shutil.copy(whole / "watchlist.jsonl", copy)
    last = [line for line in log(copy) if line["event"]["kind"] == "signal" and line["event"]["for"]][-1]
    _, tx, _ = last["event"]["signal"].split(":")
    database = Database(copy / "ledger.duckdb", read_only=False, memory_limit=None, threads=None)
    with database.transaction() as connection:
        connection.execute("DELETE FROM chain.fills WHERE tx = ?", [int(tx)])
    database.close()
    count = len(log(copy))
    follow(copy, url)
    gone = [line for line in log(copy)[count:] if line["event"]["kind"] == "withdrawn"]
    assert last["event"]["signal"] in {line["event"]["signal"] for line in gone}
    assert all(line["after"]["signals"] == line["before"]["signals"] - 1 for line in gone)


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


ONE = '[[strategy]]\nname = "a"\nrules = ["sharps"]\n'
BAD = [
    (ONE + "stakes = 5\n", 4, "stakes", "Keys here are name, rules"),
    (ONE.replace("sharps", "sharp"), 3, "rules", "The rules are sharps, entries, sales"),
    (ONE.replace("sharps", "sales"), 3, "rules", "open nothing"),
    (ONE + ONE, 5, "name", "a strategy 'a' already"),
    (ONE + "enter = { signals = 1 }\n", 1, "strategy", "less than escalate"),
    (ONE + 'trade = "paper"\n', 1, "strategy", "needs enter, and a stake"),
    (ONE + 'trade = "swing"\n', 4, "trade", "'paper' or 'live'"),
    (ONE + 'trade = "paper"\nstake = 5\nenter = { signals = 2 }\n', 4, "trade", "needs [limits]"),
    (ONE + "exit = {}\n", 4, "exit", "exit needs rules, after, or both"),
    (
        '[limits]\nmax_per_order = 1\nmax_per_market = 1\nmax_per_category = 1\nmax_total = 1\n[paper]\nfee_rate = 0\n'
        'participation = 0.5\npatience = "1h"\n'
        + ONE.replace("sharps", "large")
        + 'trade = "paper"\nstake = 5\nenter = { signals = 2 }\n',
        13, "trade", "would trade everything",
    ),
    ('[limits]\nmax_total = "lots"\n' + ONE, 2, "max_total", "is not an amount"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "key", "says"), BAD)
def test_a_mistake_in_a_strategy_is_named_with_line_key_and_what_is_allowed(
    text: str, line: int, key: str, says: str, tmp_path: Path
) -> None:
    more = '[[rule]]\nname = "large"\nmin_size = 5\n' if "large" in text else ""
    with pytest.raises(ConfigurationError) as caught:
        parse_strategies(text, "strategies.toml", parse_rules(RULES + more, "signals.toml", tmp_path))
    assert f"strategies.toml, line {line}, key '{key}'" in str(caught.value)
    assert says in str(caught.value)


def test_an_unknown_category_in_a_strategy_is_refused(copy: Path, url: str) -> None:
    (copy / "strategies.toml").write_text(STRATEGIES.replace('categories = ["Politics"]', 'categories = ["Politic"]'))
    with pytest.raises(ConfigurationError, match="key 'categories': there is no category 'Politic'"):
        follow(copy, url)


def test_the_strategies_of_the_guides_are_strategies(tmp_path: Path) -> None:
    rules, strategies = "", ""
    for name in ("signals", "watchlist", "paper-trading"):
        for text in re.findall(r"```toml\n(.*?)```", (PROJECT / f"docs/guides/{name}.md").read_text(), re.DOTALL):
            if name == "signals":
                rules += text
            elif "[[strategy]]" in text:
                strategies = text
                parse_strategies(text, name, parse_rules(rules, "signals.toml", tmp_path))
    assert strategies


def test_the_commands_show_both_in_80_columns_and_as_json(
    whole: Path, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {**command_environment(url), "POLYLEDGER_WATCHLIST__ENABLED": "true"}.items():
        monkeypatch.setenv(name, value)
    for command in ("watchlist", "paper"):
        assert run(["-w", str(whole), command]) == 0
        assert all(len(line) <= 80 for line in capsys.readouterr().out.splitlines())
    assert run(["-w", str(whole), "watchlist", "--state", "exited", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "polyledger.watchlist/1"
    assert {entry["state"] for entry in document["entries"]} == {"exited"}
    assert run(["-w", str(whole), "watchlist", "--strategy", "nobody"]) == 2
    assert "There are follow, quiet" in capsys.readouterr().err
