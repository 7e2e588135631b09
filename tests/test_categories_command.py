"""What `categories` shows: sums that agree with coverage, the tags behind a category, and why the rest has none."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from polyledger.domain.categories import default_categories, parse_categories
from polyledger.domain.errors import ConfigurationError
from polyledger.domain.records import EventRecord
from polyledger.identity.explain import explain
from polyledger.store.database import Database
from polyledger.store.market_claims import use_categories
from polyledger.sync.claim_writer import ClaimWriter
from polyledger.value.categories import categories
from polyledger.workspace import Workspace
from tests.test_conflicts import CONTRACTS, TIME, say
from tests.test_truth import micro
from tests.worlds import NOWHERE, workspace_at

TABLE = """
[[rule]]
category = "Football"
tags = ["nfl"]

[[rule]]
category = "Music"
tags = ["music", "nfl-halftime"]
"""


@pytest.fixture(scope="module")
def ledger(devworld: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    folder = shutil.copytree(devworld, tmp_path_factory.mktemp("categories") / "ledger")
    with workspace_at(folder, NOWHERE) as workspace:
        yield workspace


def test_sums_agree_with_coverage_by_category(ledger: Workspace) -> None:
    document = ledger.categories().document
    by = {row["key"]: row for row in ledger.coverage("category").document["by"]}
    shown = {row["category"]: row for row in document["categories"]}
    assert {name for name, row in shown.items() if row["trades"]} == by.keys()
    for name, row in by.items():
        assert shown[name]["trades"] == row["trades"]["total"]
        assert shown[name]["volume"] == row["volume"]["total"]
        assert shown[name]["conditions"] >= row["conditions"]["total"]  # what nobody traded is there as well
        assert sum(micro(rule["volume"]) for rule in shown[name]["rules"]) == micro(shown[name]["volume"])
    whole = ledger.coverage().document
    assert document["total"]["trades"] == whole["trades"]["total"]
    assert document["total"]["conditions"] == whole["conditions"]["total"]
    assert sum(row["resolved"] for row in shown.values()) == whole["conditions"]["resolved"]
    assert sum(row["share"] for row in shown.values()) == pytest.approx(1)
    assert document["uncategorized"]["conditions"] == 0
    assert list(shown)[: len(by)] == sorted(by, key=lambda name: -micro(by[name]["volume"]["total"]))
    assert set(default_categories().categories) <= shown.keys()
    assert document["table"]["in_force"]


def test_a_beginning_and_an_end_split_the_trades(ledger: Workspace) -> None:
    rows = ledger.sql("SELECT block_time FROM fills ORDER BY block").document["rows"]
    middle = datetime.fromisoformat(rows[len(rows) // 2][0]).replace(tzinfo=None)
    later = ledger.categories(since=middle.isoformat()).document
    earlier = ledger.categories(as_of=(middle - timedelta(seconds=1)).isoformat()).document
    whole = ledger.categories().document["total"]
    assert 0 < later["total"]["trades"] < whole["trades"]
    assert later["total"]["trades"] + earlier["total"]["trades"] == whole["trades"]
    assert micro(later["total"]["volume"]) + micro(earlier["total"]["volume"]) == micro(whole["volume"])
    assert later["period"] == {"since": f"{middle.isoformat()}Z", "as_of": None, "block": None}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "ledger.duckdb", read_only=False, memory_limit=None, threads=1)
    table = parse_categories(TABLE, "test")
    with opened.transaction() as connection:
        use_categories(connection, table)
    yield opened
    opened.close()


def test_the_first_rule_of_the_table_decides_and_unknown_tags_are_named(database: Database, tmp_path: Path) -> None:
    writer = ClaimWriter(database, tmp_path / "evidence", "run", CONTRACTS)
    tags: dict[str, tuple[str, ...] | None] = {
        "both": ("music", "nfl"), "second": ("nfl-halftime", "stadium"), "part of a slug": ("nflx", "stadium"),
        "other case": ("rugby",), "none": None,
    }  # fmt: skip
    ids = {name: f"0x{hashlib.sha256(name.encode()).hexdigest()}" for name in tags}
    for number, (name, given) in enumerate(tags.items(), 1):
        say(writer, "gamma", ids[name], tags=given, market_id=str(number))
        prepared(database, ids[name], 100 + number)
    document = categories(database, parse_categories(TABLE, "test"))
    shown = {row["category"]: row for row in document["categories"]}
    assert shown["Football"]["rules"] == [{"rule": "tag:nfl", "conditions": 1, "volume": "0.000000"}]
    assert shown["Music"]["rules"] == [{"rule": "tag:nfl-halftime", "conditions": 1, "volume": "0.000000"}]
    assert document["uncategorized"]["conditions"] == 3
    reasons = {row["reason"]: row["conditions"] for row in document["uncategorized"]["reasons"]}
    assert reasons == {"no tag in the table": 2, "no tags": 1}
    unknown = {row["tag"]: (row["conditions"], row["uncategorized_conditions"]) for row in document["unknown_tags"]}
    assert unknown == {"stadium": (2, 1), "nflx": (1, 1), "rugby": (1, 1)}
    assert document["enrichment"]["conditions"]["tags"] == 0.8
    assert document["enrichment"]["conditions"]["event"] == 0
    assert len(categories(database, parse_categories(TABLE, "test"), tags=1)["unknown_tags"]) == 1
    other = parse_categories(TABLE.replace("nfl-halftime", "rugby"), "test")
    assert not categories(database, other)["table"]["in_force"]


def test_a_table_that_cannot_be_read_stops_the_command(ledger: Workspace) -> None:
    file = ledger.path / "categories.toml"
    file.write_text('[[rule]]\ncategory = "A"\ntags = ["NBA"]\n')
    try:
        with pytest.raises(ConfigurationError, match="line 3, key 'tags'"):
            ledger.categories()
        file.write_text(TABLE)
        document = ledger.categories().document
    finally:
        file.unlink()
    assert not document["table"]["in_force"]
    assert document["table"]["origin"] == str(file)


def test_a_renamed_category_moves_everything_and_both_names_are_kept(database: Database, tmp_path: Path) -> None:
    writer = ClaimWriter(database, tmp_path / "evidence", "run", CONTRACTS)
    ids = [f"0x{hashlib.sha256(name).hexdigest()}" for name in (b"first", b"second")]

    def named(category: str, conditions: list[str], *, closed: bool = False, parent: str | None = None) -> None:
        event = EventRecord(
            "gamma", "9", "vote", "The vote", category=category, series_slug="votes", start_date=TIME,
            parent_event_id=parent,
        )  # fmt: skip
        for number, condition in enumerate(conditions, 1):
            say(writer, "gamma", condition, event=event, market_id=str(number), closed=closed, end_date=TIME)

    named("Politics", ids)
    for number, condition in enumerate(ids):
        prepared(database, condition, 100 + number)
    table = parse_categories(TABLE, "test")
    assert next(row["conditions"] for row in categories(database, table)["categories"]) == 2
    named("Politics", ids, closed=True)
    named("Elections", ids[:1], closed=True)  # the other market is not asked about again
    shown = {row["category"]: row["conditions"] for row in categories(database, table)["categories"]}
    assert shown == {"Elections": 2, "Football": 0, "Music": 0}
    rows = database.query("SELECT category, category_rule, series_slug, start_time IS NULL FROM markets")
    assert rows == [("Elections", "event", "votes", True)] * 2
    ((event, markets, start),) = database.query("SELECT category, markets, epoch(start_time) FROM events")
    assert (event, markets, start) == ("Elections", 2, TIME)
    versions = database.query("SELECT category, answers, version FROM event_history ORDER BY version")
    assert versions == [("Politics", 4, 1), ("Elections", 1, 2)]
    named("Elections", ids[:1], closed=True, parent="4")
    named("Elections", ids[:1])  # an answer that does not name the parent takes nothing back
    assert database.query("SELECT parent_event_id, parent_title FROM events") == [("4", None)]
    document = explain(database, ids[0], CONTRACTS)
    assert [row["category"] for row in document["event_history"]] == ["Politics", *["Elections"] * 3]
    assert [row["parent_event_id"] for row in document["event_history"]] == [None, None, "4", None]
    assert [(row["closed"], row["answers"]) for row in document["history"]] == [(False, 1), (True, 3), (False, 1)]
    first, second = document["event_history"][:2]
    assert first["first_observed"] <= first["last_observed"] <= second["first_observed"]


def prepared(database: Database, condition: str, block: int) -> None:
    with database.transaction() as connection:
        ((key,),) = connection.execute(
            "SELECT condition FROM dim.conditions WHERE condition_id = ?", [bytes.fromhex(condition[2:])]
        ).fetchall()
        connection.execute("INSERT INTO chain.blocks VALUES (?, ?, NULL, ?)", [block, b"", TIME + block])
        connection.execute("INSERT INTO chain.preparations VALUES (?, 0, ?, 0, '', 2)", [block << 16, key])
