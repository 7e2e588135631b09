"""The part of a report about signals, watchlist and paper trading: what the commands say, and nothing without rules."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from polyledger.cli.app import run
from polyledger.domain.display import amount, count
from polyledger.report import page
from tests.watching import followed_world, opened
from tests.worlds import command_environment, replica_of, workspace_at, world_of

Document = dict[str, Any]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with replica_of(world_of()) as running:
        yield running


@pytest.fixture(scope="module")
def whole(url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return followed_world(tmp_path_factory.mktemp("followed"), url)


def section(document: Document) -> ET.Element | None:
    return ET.fromstring(page(document)).find(".//section[@id='following']")  # noqa: S314 - our own page


def rows(table: ET.Element) -> list[list[str]]:
    return [[" ".join("".join(cell.itertext()).split()) for cell in row] for row in table.iterfind("tbody/tr")]


def test_the_report_says_what_the_commands_say(whole: Path, url: str) -> None:
    with opened(whole, url) as workspace:
        document = workspace.report().document
        signals, watchlist, paper = (
            getattr(workspace, name)().document for name in ("signals", "watchlist", "paper")
        )  # fmt: skip
    found = section(document)
    assert found is not None
    rules, last, entries, profits = (rows(table) for table in found.iter("table"))
    states = ("fired", "awaiting", "voided")
    assert rules == [[rule["rule"], *(count(rule[state]) for state in states)] for rule in signals["rules"]]
    newest = signals["signals"][:8]
    assert [row[0] for row in last] == [f"{s['time'][:10]} {s['time'][11:16]}{s['rule']}" for s in newest]
    assert all(row[3] for row in last)
    of_state = {state: [e for e in watchlist["entries"] if e["state"] == state] for state in watchlist["states"]}
    alive_first = [entry for state in ("entered", "escalate", "watching", "exited") for entry in of_state[state]]
    assert [(row[0], row[1]) for row in entries] == [(entry["state"], entry["strategy"]) for entry in alive_first[:8]]
    text = " ".join("".join(found.itertext()).split())
    assert ", ".join(f"{count(number)} {state}" for state, number in watchlist["states"].items()) in text
    (strategy,) = paper["strategies"]
    assert profits[-1][2].lstrip("+") == amount(strategy["realized_pnl"])
    assert len(profits) == len(strategy["categories"]) + 1
    assert f"{len(paper['orders'])} orders" in text


@pytest.mark.long
def test_without_rules_there_is_no_such_part_and_a_mistake_in_them_is_told(
    whole: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with opened(whole, url) as workspace:
        document = workspace.report().document
    assert section({**document, "following": None}) is None
    with workspace_at(whole, url) as workspace:  # the watchlist is off
        part = workspace.report().document["following"]
    assert (part["watchlist"], part["paper"], part["problem"]) == (None, None, None)
    for name, value in command_environment(url).items():
        monkeypatch.setenv(name, value)
    rules = (whole / "signals.toml").read_text()
    (whole / "signals.toml").write_text(rules.replace("min_size = 50", "size = 50"))
    try:
        assert run(["-w", str(whole), "report", "--out", str(tmp_path / "out"), "--json"]) == 0
    finally:
        (whole / "signals.toml").write_text(rules)
    broken = json.loads(capsys.readouterr().out)
    assert "line 5, key 'size'" in broken["following"]["problem"]
    found = section(broken)
    assert found is not None
    assert "line 5, key 'size'" in "".join(found.itertext())
