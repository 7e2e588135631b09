"""Signals: rules fire on the fills they describe, judged by what was known on that day, once, and say why."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from polyledger.cli.app import run
from polyledger.domain.errors import ConfigurationError, UsageError
from polyledger.insight.breakdown import add_insight
from polyledger.insight.signals.rules import overlaps, parse_rules
from polyledger.store.database import Database
from polyledger.value.wallets import wallets
from tests.paths import DEVWORLD_LOGS, PROJECT
from tests.worlds import (
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
price = [0.05, 0.95]

[rule.skill]
measure = "profit_per_dollar"
at_least = 0.02
min_resolved = 3

[[rule]]
name = "politics"
categories = ["Politics"]
exclude_tags = ["crypto"]
min_size = 20.5
max_size = 100
first_entry = true

[[rule]]
name = "cool-heads"
min_coverage = 0.2
skill = { measure = "brier", at_most = 0.24, figure = "value", over = "category", min_resolved = 2 }
"""
HISTORY = ("2024-01-01", "2024-01-31")
LAST = FIRST_BLOCK + 527
DAY = "2024-01-12"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with replica_of(world_of()) as running:
        yield running


@pytest.fixture(scope="module")
def whole(url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("signals")
    sync(folder, url)
    (folder / "signals.toml").write_text(RULES)
    with workspace_at(folder, url) as workspace:
        workspace.replay_signals(*HISTORY)
    return folder


@pytest.fixture(scope="module")
def early(url: str, whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger that ends where DAY begins, before any rule was written."""
    folder = tmp_path_factory.mktemp("early")
    control(url, head=next(fill["block"] for fill in fills(whole, url) if f"{fill['block_time']:%Y-%m-%d}" == DAY) - 1)
    try:
        sync(folder, url)
    finally:
        control(url, head=LAST)
    return folder


def use(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """The environment of a command that reads the replica."""
    for name, value in command_environment(url).items():
        monkeypatch.setenv(name, value)


def found(folder: Path, url: str, rule: str | None = None) -> list[dict[str, Any]]:
    """The signals, oldest first, without what tells how they were found; estimates to nine digits, because the order in
    which doubles are added up is not always the same."""
    with workspace_at(folder, url) as workspace:
        rows = workspace.signals(rule=rule).document["signals"]
    return [{key: _rounded(value) for key, value in row.items() if key != "found_by"} for row in reversed(rows)]


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_rounded(part) for part in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


def fills(folder: Path, url: str) -> list[dict[str, Any]]:
    with workspace_at(folder, url) as workspace:
        return workspace.sql(
            "SELECT f.*, c.category, CASE WHEN side = 'BUY' THEN collateral - leftover ELSE collateral END AS size "
            "FROM fills AS f JOIN conditions AS c USING (condition_id) "
            "WHERE wallet IN (SELECT wallet FROM wallets) ORDER BY block, log_index"
        ).arrow().to_pylist()  # fmt: skip


def test_a_rule_fires_on_the_fills_it_describes_and_no_others(whole: Path, url: str) -> None:
    expected, entered = [], set()
    for fill in fills(whole, url):
        pair = fill["wallet"], fill["condition_id"]
        first, _ = pair not in entered, entered.add(pair)
        if first and fill["category"] == "Politics" and 20_500_000 <= fill["size"] <= 100_000_000:
            expected.append((fill["transaction_hash"], fill["log_index"], fill["wallet"]))
    rows = found(whole, url, "politics")
    assert [(r["transaction"], r["log_index"], r["wallet"]) for r in rows] == expected
    assert len(expected) > 10
    for row in rows:
        assert {line["criterion"]: line["found"] for line in row["why"]}.keys() == {
            "categories", "exclude_tags", "min_size", "max_size", "first_entry",
        }  # fmt: skip
        assert row["missing"] == []
        if row["resolved_conditions"] == 0:
            assert row["rank"] is None  # not enough data, and no division by it


def test_a_wallet_is_judged_by_what_had_settled_before_the_day_of_its_fill(whole: Path, early: Path, url: str) -> None:
    """A ledger that ends where that day begins, and its own figures of skill, are the oracle."""
    database = Database(early / "ledger.duckdb", read_only=True, memory_limit=None, threads=None)
    known = {w["wallet"]: w for w in add_insight(database, wallets(database)["wallets"])}
    database.close()
    profits = [float(w["realized_pnl"]) for w in known.values() if w["resolved_conditions"]]
    rules = set()
    for row in found(whole, url):
        if row["as_of"] != DAY:
            continue
        wallet, rule = known[row["wallet"]], row["rule"]
        rules.add(rule)
        assert row["coverage"] == pytest.approx(wallet["coverage"]["conditions"])
        assert row["resolved_conditions"] == wallet["resolved_conditions"]
        if rule == "politics":
            assert row["rank"]["figure"] == wallet["realized_pnl"]
            place = 1 + sum(profit > float(wallet["realized_pnl"]) for profit in profits)
            assert (row["rank"]["place"], row["rank"]["of"]) == (place, len(profits))
            continue
        if rule == "cool-heads":
            (wallet,) = [part for part in wallet["categories"] if part["category"] == row["category"]]
        (skill,) = [line["found"] for line in row["why"] if line["criterion"] == "skill"]
        expected = wallet["skill"]["profit_per_dollar" if rule == "sharps" else "brier"]
        assert skill == pytest.approx({k: expected[k] for k in ("value", "low", "high", "shrunk", "markets")})
    assert rules == {"sharps", "politics", "cool-heads"}


def test_a_ledger_that_knows_nothing_later_gives_the_same_signals(
    whole: Path, early: Path, url: str, tmp_path: Path
) -> None:
    """What came later has no part in a signal; and syncs find what a replay finds, nothing twice."""
    folder = shutil.copytree(early, tmp_path / "copy")
    (folder / "signals.toml").write_text(RULES)
    with workspace_at(folder, url) as workspace:
        workspace.replay_signals(*HISTORY)
    expected = found(whole, url)
    before = [row for row in expected if row["as_of"] < DAY]
    assert found(folder, url) == before
    assert {row["rule"] for row in before} >= {"sharps", "politics"}
    assert sync(folder, url)["signals"] == {
        "fired": len(expected) - len(before), "awaiting": 0, "voided": 0, "problem": None,
    }  # fmt: skip
    assert found(folder, url) == expected
    with workspace_at(folder, url) as workspace:
        again = workspace.replay_signals(*HISTORY)
        assert (again["fired"], again["awaiting"], again["voided"]) == (0, 0, 0)
        assert {row["found_by"] for row in workspace.signals().document["signals"]} == {"replay", "sync"}
    assert found(folder, url) == expected


def test_the_standing_of_everybody_is_worked_out_once_a_day(whole: Path, early: Path, url: str, tmp_path: Path) -> None:
    """Looks within a day find what one look at all of it finds, and rest on the same ranks, which were kept."""
    folder = shutil.copytree(early, tmp_path / "copy")
    (folder / "signals.toml").write_text(RULES)
    blocks = sorted({fill["block"] for fill in fills(whole, url) if f"{fill['block_time']:%Y-%m-%d}" == DAY})
    kept = set()
    try:
        for head in (blocks[len(blocks) // 3], blocks[2 * len(blocks) // 3], blocks[-1]):
            control(url, head=head)
            assert sync(folder, url)["signals"]["fired"] > 3
            with workspace_at(folder, url) as workspace:
                rows = workspace.sql("SELECT day, basis, ranking, category, content FROM insight.day_ranks").document
            kept.add(json.dumps(sorted(rows["rows"], key=str), default=str))
    finally:
        control(url, head=LAST)
    assert len(kept) == 1
    assert found(folder, url) == [row for row in found(whole, url) if row["as_of"] == DAY]
    # Where what they rest on is another, they are worked out anew: everything that had settled is taken back.
    first = blocks[0] << 16
    change(folder, "UPDATE chain.resolutions SET tx = tx + ? WHERE tx < ?", [1 << 40, first])
    change(folder, "DELETE FROM insight.signals", [])
    with workspace_at(folder, url) as workspace:
        workspace.replay_signals(DAY, DAY)
    again = found(folder, url)
    assert again
    assert all(row["resolved_conditions"] == 0 and row["rank"] is None for row in again)


@pytest.mark.long
def test_a_rule_waits_for_what_nobody_has_said_of_a_market_yet(whole: Path, url: str, tmp_path: Path) -> None:
    (tmp_path / "signals.toml").write_text(RULES)
    silent = {name: {"enabled": False} for name in ("gamma", "clob", "data_api", "subgraph")}
    report = sync(tmp_path, url, **silent)
    assert report["signals"]["awaiting"] > 10
    assert {row["rule"] for row in found(tmp_path, url)} == {"sharps"}
    assert all(row["category"] is None and "category" in row["missing"] for row in found(tmp_path, url))
    late = sync(tmp_path, url)
    assert (late["signals"]["fired"] > 10, late["signals"]["awaiting"]) == (True, 0)

    def keys(folder: Path) -> list[tuple[Any, ...]]:
        return [(row["rule"], row["transaction"], row["log_index"]) for row in found(folder, url)]

    assert keys(tmp_path) == keys(whole)


def change(folder: Path, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """What a reorg does to the ledger, done by hand."""
    database = Database(folder / "ledger.duckdb", read_only=False, memory_limit=None, threads=None)
    try:
        with database.transaction() as connection:
            return connection.execute(sql, parameters).fetchall()
    finally:
        database.close()


@pytest.mark.long
def test_a_fill_that_a_reorg_took_back_gives_no_signal(whole: Path, url: str, tmp_path: Path) -> None:
    folder = shutil.copytree(whole, tmp_path / "copy")
    sync(folder, url)
    before = found(folder, url)
    block = before[-15]["block"]
    taken = change(folder, "DELETE FROM chain.fills WHERE tx // 65536 = ? RETURNING *", [block])
    expected = [row for row in before if row["block"] != block]
    assert sync(folder, url)["signals"]["voided"] == len(before) - len(expected) > 0
    assert found(folder, url) == expected
    places = ", ".join("?" for _ in taken[0])
    for row in taken:
        change(folder, f"INSERT INTO chain.fills VALUES ({places})", row)
    assert sync(folder, url)["signals"]["fired"] == len(before) - len(expected)
    assert found(folder, url) == before


def test_a_changed_rule_is_another_rule(whole: Path, url: str, tmp_path: Path) -> None:
    folder = shutil.copytree(whole, tmp_path / "copy")
    (folder / "signals.toml").write_text(RULES.replace("min_size = 50", "min_size = 400"))
    assert found(folder, url, "sharps") == []
    with workspace_at(folder, url) as workspace:
        assert workspace.replay_signals("2024-01-12", "2024-01-12T12:00")["fired"] < 10
        workspace.replay_signals(*HISTORY)
    large = [row["transaction"] for row in found(whole, url, "sharps") if float(row["size"]) >= 400]
    assert [row["transaction"] for row in found(folder, url, "sharps")] == large
    assert large


@pytest.mark.long
def test_only_what_is_fresh_fires_where_a_rule_asks_for_it(early: Path, url: str, tmp_path: Path) -> None:
    folder = shutil.copytree(early, tmp_path / "copy")
    (folder / "signals.toml").write_text('[[rule]]\nname = "fresh"\nmin_size = 1\nmax_age = "36h"\n')
    sync(folder, url)
    head = max(int(block["timestamp"], 16) for block in document_of(DEVWORLD_LOGS)["blocks"])
    fresh = [f for f in fills(folder, url) if f["block_time"].replace(tzinfo=UTC).timestamp() >= head - 36 * 3600]
    assert len(found(folder, url)) == sum(fill["size"] >= 1_000_000 for fill in fresh) > 5
    with workspace_at(folder, url) as workspace:  # in a replay every fill is looked at as if it were new
        assert workspace.replay_signals("2024-01-05", "2024-01-05")["fired"] > 50


def test_a_category_that_was_renamed_is_asked_for_by_its_new_name(
    whole: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(whole, tmp_path / "copy")
    (folder / "signals.toml").write_text('[[rule]]\nname = "a"\n\ncategories = ["Athletics"]\n')
    report = sync(folder, url)
    assert report["state"] == "done"
    assert "line 4, key 'categories': there is no category 'Athletics'" in report["signals"]["problem"]
    assert "Politics" in report["signals"]["problem"]
    use(monkeypatch, url)
    assert run(["-w", str(folder), "sync"]) == 2
    assert "What was fetched is saved" in capsys.readouterr().err


BAD = [
    ('[[rule]]\nname = "a"\ncategories = ["x"]\nsize = 5\n', 4, "size", "Keys here are name, wallets"),
    ('[[rule]]\nname = "a"\n', 1, "rule", "would fire on every trade"),
    ('[[rule]]\nname = "a"\nprice = [0, 1]\nside = "BUY"\n', 1, "rule", "would fire on every trade"),
    ('[[rule]]\nname = "a"\nskill = { measure = "luck", at_least = 1 }\n', 3, "measure", "'hit_rate', 'win_rate'"),
    ('[[rule]]\nname = "a"\nskill = { measure = "brier", at_least = 1 }\n', 3, "skill", "brier takes at_most"),
    ('[[rule]]\nname = "a"\n\nwallets = ["0x12"]\n', 4, "wallets", "'0x12' is not an address"),
    ('[[rule]]\nname = "a"\ncategories = "x"\n', 3, "categories", "must be a list"),
    ('[[rule]]\nname = "a"\nmin_size = 5\nmax_size = 4\n', 1, "rule", "min_size is more than max_size"),
    ('[[rule]]\nname = "a"\nmin_size = 5\nprice = [0.5, 1.2]\n', 1, "rule", "from 0 to 1"),
    ('[[rule]]\nname = "a"\nmin_size = -4\n', 3, "min_size", "greater than or equal to 0"),
    ('[[rule]]\nname = "a"\nmin_size = 5\nmax_age = "soon"\n', 4, "max_age", "not a span of time"),
    ('[[rule]]\nname = "a"\nwallets_file = "none.txt"\n', 3, "wallets_file", "cannot be read"),
    ('[[rule]]\nmin_size = 5\nname = "A b"\n', 3, "name", "is no name"),
    ('[[rule]]\nname = "a"\nmin_size = 5\n[[rule]]\nname = "a"\nmin_size = 6\n', 5, "name", "a rule 'a' already"),
    ('[[rule]]\nname = "a"\nwallets = []\n', 3, "wallets", "must have at least 1 entry"),
    ('[[rule]]\nname = "a"\nmin_size = 5\ntags = [""]\n', 4, "tags", "must have at least 1 character"),
    ('[[rule]]\nname = "a"\nprice = [0.1]\n', 3, "price", "has too few entries"),
    ("rules = 1\n", 1, "rules", "Keys here are rule"),
    ("", 1, "rule", "missing"),
]


@pytest.mark.parametrize(("text", "line", "key", "says"), BAD)
def test_a_mistake_in_a_rule_is_named_with_line_key_and_what_is_allowed(
    text: str, line: int, key: str, says: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_rules(text, "signals.toml", tmp_path)
    assert f"signals.toml, line {line}, key '{key}'" in str(caught.value)
    assert says in str(caught.value)


def test_what_is_no_toml_and_what_is_not_there_is_refused(whole: Path, url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"signals.toml is not valid TOML: .*line 2"):
        parse_rules('[[rule]]\nname = "a\n', "signals.toml", tmp_path)
    with pytest.raises(ConfigurationError, match=r"has no signals.toml"):
        workspace_at(tmp_path, url).signals()
    with workspace_at(whole, url) as workspace:
        with pytest.raises(UsageError, match="There are sharps, politics, cool-heads"):
            workspace.signals(rule="sharp")
        with pytest.raises(UsageError, match="later than"):
            workspace.replay_signals("2024-02-01", "2024-01-01")


def test_the_rules_of_the_guide_are_rules(tmp_path: Path) -> None:
    guide = (PROJECT / "docs/guides/signals.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```toml\n(.*?)```", guide, re.DOTALL)
    assert [rule.name for rule in parse_rules(text, "signals.md", tmp_path).rules] == ["sharps", "my-friends"]


@pytest.mark.parametrize(
    ("one", "other", "on"),
    [
        ('categories = ["A"]', 'categories = ["B"]', None),
        ('categories = ["A", "B"]', 'categories = ["B"]\nside = "BUY"', "BUY, in B"),
        ('side = "SELL"\nmin_size = 5', 'side = "BUY"\nmin_size = 5', None),
        ("min_size = 5\nmax_size = 10", "min_size = 11", None),
        (
            "min_size = 5\nprice = [0.1, 0.4]",
            "min_size = 2\nprice = [0.3, 0.5]",
            "fills, price 0.30 to 0.40, size 5.00",
        ),
        (f'wallets = ["0x{"1" * 40}"]', f'wallets = ["0x{"2" * 40}"]', None),
        (f'wallets = ["0x{"1" * 40}"]', f'wallets = ["0x{"1" * 40}", "0x{"2" * 40}"]', "fills, 1 wallets in both"),
        ('tags = ["nba"]', 'tags = ["nfl"]', "fills"),
    ],
)
def test_rules_that_overlap_are_told(one: str, other: str, on: str | None, tmp_path: Path) -> None:
    rules = parse_rules(f'[[rule]]\nname = "a"\n{one}\n[[rule]]\nname = "b"\n{other}\n', "x", tmp_path).rules
    assert overlaps(rules) == ([] if on is None else [{"rules": ["a", "b"], "on": on}])


def test_the_command_shows_signals_in_80_columns_and_as_json(
    whole: Path, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, url)
    assert run(["-w", str(whole), "signals", "--limit", "3"]) == 0
    shown = capsys.readouterr().out
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert "settled" in shown
    assert run(["-w", str(whole), "signals", "--replay", *HISTORY, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "polyledger.signals/1"
    assert document["replay"]["fired"] == 0
    assert {rule["rule"]: rule["fired"] for rule in document["rules"]} == {
        name: sum(row["rule"] == name for row in document["signals"]) for name in ("sharps", "politics", "cool-heads")
    }
