"""Importing mappings that somebody already has: claims of a file, put to the proof, none of them believed blindly."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from polyledger.workspace import Workspace
from tests.paths import real_file
from tests.trade_files import CONDITIONS, rows_of, workspace_in, write_csv, write_jsonl, write_parquet
from tests.worlds import run_here as run


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return workspace_in(tmp_path / "ledger")


def real_rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).decode().splitlines()]


def test_wrong_outcome_indexes_are_refuted_and_the_right_links_proven(workspace: Workspace) -> None:
    file = real_file("token_mappings_bad_index.jsonl.gz")
    document = workspace.import_mapping([file])
    claims = document["files"][0]["claims"]
    rows = real_rows(file)
    linked = rows_of(
        workspace,
        "SELECT t.token_id, '0x' || lower(hex(c.condition_id)) AS condition_id, t.outcome_index "
        "FROM dim.tokens AS t JOIN dim.conditions AS c ON c.condition = t.condition",
    )
    proven = {link["token_id"]: link for link in linked}
    assert all(proven[row["token_id"]]["condition_id"] == row["condition_id"] for row in rows)
    right = sum(proven[row["token_id"]]["outcome_index"] == row["outcome_index"] for row in rows)
    assert len(rows) == 498
    assert (claims["proven"], claims["refuted"]) == (right, 498 - right)
    sources = "SELECT DISTINCT source FROM claim.tokens"
    assert rows_of(workspace, sources) == [{"source": "file:token_mappings_bad_index.jsonl.gz"}]


def test_a_file_that_gives_every_condition_one_market_is_set_aside_whole(workspace: Workspace) -> None:
    document = workspace.import_mapping([real_file("poisoned_lookup.jsonl.gz")])
    entry = document["files"][0]
    assert entry["claims"]["written"] == entry["claims"]["quarantined"] == 15733
    assert len(entry["patterns"]) == 1
    assert 'market id "12"' in entry["patterns"][0]
    assert rows_of(workspace, "SELECT count(*) AS n FROM markets WHERE market_id = '12'") == [{"n": 0}]
    assert rows_of(workspace, "SELECT count(*) AS n FROM claim.quarantines") == [{"n": 1}]


def test_markets_and_resolutions_of_earlier_pipelines(workspace: Workspace) -> None:
    seed, tagged = real_file("markets_dim_seed.jsonl.gz"), real_file("markets_with_tags.jsonl.gz")
    document = workspace.import_mapping([seed, tagged])
    assert document["state"] == "done"
    assert document["rows"]["rejected"] == 1  # a market that never got a condition
    states = {
        (row["source"], row["state"]): row["n"]
        for row in rows_of(workspace, "SELECT source, state, count(*) AS n FROM claim.resolutions GROUP BY ALL")
    }
    assert states["file:markets_dim_seed.jsonl.gz", "resolved"] == 1320
    names = "'0x' || lower(hex(c.condition_id))"
    given = {row["condition_id"]: row for row in real_rows(tagged) if row["condition_id"]}
    found = rows_of(
        workspace,
        f"SELECT {names} AS condition_id, r.payouts FROM claim.resolutions AS r "
        "JOIN dim.conditions AS c ON c.condition = r.condition "
        "WHERE r.source = 'file:markets_with_tags.jsonl.gz' AND r.state = 'resolved'",
    )
    assert len(found) == sum(bool(row["resolved_outcome"]) for row in given.values())
    for row in found:
        labels = given[row["condition_id"]]["outcomes"].split("|")
        winner = labels.index(given[row["condition_id"]]["resolved_outcome"])
        assert row["payouts"] == [1_000_000 if index == winner else 0 for index in range(len(labels))]
    markets = rows_of(
        workspace,
        f"SELECT {names} AS condition_id, m.market_id, m.slug, m.tags, m.closed FROM claim.markets AS m "
        "JOIN dim.conditions AS c ON c.condition = m.condition WHERE m.source = 'file:markets_with_tags.jsonl.gz'",
    )
    for market in markets:
        row = given[market["condition_id"]]
        assert (market["market_id"], market["slug"]) == (row["market_id"], row["market_slug"])
        assert (market["tags"] or []) == [tag for tag in row["tag_labels"].split("|") if tag]
        assert market["closed"] is (row["closed"] == "True")
    events = {row["event_id"]: row["slug"] for row in rows_of(workspace, "SELECT event_id, slug FROM claim.events")}
    assert events == {row["event_id"]: row["event_slug"] for row in real_rows(tagged)[:] if row["condition_id"]}


def test_token_lists_are_proven_in_their_order(tmp_path: Path, workspace: Workspace) -> None:
    rows = [row for row in real_rows(real_file("pairs.jsonl.gz")) if len(row["token_ids"]) == 2][:50]
    turned = [{**row, "token_ids": row["token_ids"][::-1]} for row in rows[:5]]
    said = write_jsonl(tmp_path / "pairs.jsonl", rows)
    wrong = write_parquet(
        tmp_path / "turned.parquet", [{name: row[name] for name in ("condition_id", "token_ids")} for row in turned]
    )
    document = workspace.import_mapping([said, wrong])
    proven, refuted = (entry["claims"] for entry in document["files"])
    assert (proven["proven"], proven["refuted"]) == (50, 0)
    assert (refuted["proven"], refuted["refuted"]) == (0, 5)


def test_twice_changes_nothing_bad_rows_are_set_aside_and_a_file_without_conditions_is_refused(
    tmp_path: Path, workspace: Workspace
) -> None:
    rows = [
        {"conditionId": CONDITIONS[0], "marketId": "7", "payouts": "[1,1]", "note": "x"},
        {"conditionId": CONDITIONS[0][2:], "marketId": "8", "payouts": "[1,0]", "note": "x"},
        {"conditionId": "", "marketId": "9", "payouts": "[1,0]", "note": "x"},
        {"conditionId": CONDITIONS[1], "marketId": "1.1e7", "payouts": "[1,0]", "note": "x"},
    ]
    file = write_csv(tmp_path / "mapping.csv", rows)
    useless = write_csv(tmp_path / "useless.csv", [{"market_id": "1", "slug": "a"}])
    arguments = ["-w", workspace.path, "import", "--as", "mapping", useless, file, "--json"]
    done = run(*arguments)
    assert done.returncode == 1
    bad, good = json.loads(done.stdout)["files"]
    assert (bad["state"], good["state"]) == ("failed", "imported")
    assert "names a condition" in bad["message"]
    assert (good["imported"], good["rejected"], good["unused"]) == (1, 3, ["note"])
    rejected = [json.loads(line) for line in Path(good["rejects"]).read_text().splitlines()]
    assert [one["row"] for one in rejected] == [2, 3, 4]
    before = rows_of(workspace, "SELECT * FROM claim.markets")
    assert rows_of(workspace, "SELECT state, payouts FROM claim.resolutions") == [
        {"state": "void", "payouts": [500_000, 500_000]}
    ]
    workspace.close()
    again = json.loads(run(*arguments).stdout)["files"][1]
    assert again["state"] == "already_imported"
    assert rows_of(workspace, "SELECT * FROM claim.markets") == before
