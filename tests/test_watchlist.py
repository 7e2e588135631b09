"""The watchlist: a log that replays to its state, whatever stops or switches it off, and knows who caused what."""

from __future__ import annotations

import json
import math
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from polyledger.cli.app import run
from polyledger.domain.errors import ConfigurationError, WorkspaceError
from polyledger.store.database import Database
from tests.watching import (
    HISTORY,
    ON,
    RULES,
    STRATEGIES,
    follow,
    followed_world,
    log,
    opened,
    world_until_middle,
    write,
)
from tests.worlds import (
    COMMAND,
    command_environment,
    replica_of,
    sync,
    workspace_at,
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


def test_an_unknown_category_in_a_strategy_is_refused(copy: Path, url: str) -> None:
    (copy / "strategies.toml").write_text(STRATEGIES.replace('categories = ["Politics"]', 'categories = ["Politic"]'))
    with pytest.raises(ConfigurationError, match="key 'categories': there is no category 'Politic'"):
        follow(copy, url)


def test_a_mistake_in_strategies_is_told_before_a_replay_does_anything(copy: Path, url: str) -> None:
    (copy / "signals.toml").write_text(RULES.replace("min_size = 50", "min_size = 51"))
    (copy / "strategies.toml").write_text(STRATEGIES.replace('rules = ["entries"]', "rules = []"))
    with pytest.raises(ConfigurationError, match="key 'rules': must have at least 1 entry"):
        follow(copy, url)
    with workspace_at(copy, url) as workspace:
        assert workspace.signals(rule="sharps").document["signals"] == []


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
