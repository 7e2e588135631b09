"""Exports in the shapes that projects use, against the world's truth file."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from polyledger.domain.errors import InvariantError, OutputExistsError, UsageError
from polyledger.workspace import Workspace
from tests.paths import DEVWORLD_LOGS, DEVWORLD_TRUTH
from tests.worlds import NOWHERE, document_of, replica_of, workspace_at, world_of

Rows = list[dict[str, Any]]
SHAPES = ("mapping", "markets-dim", "events-dim", "resolutions", "wallet-category-breakdown")


@pytest.fixture(scope="module")
def workspace(devworld: Path) -> Iterator[Workspace]:
    with workspace_at(devworld, NOWHERE) as opened:
        yield opened


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    found = document_of(DEVWORLD_TRUTH)
    assert isinstance(found, dict)
    return found


def document(workspace: Workspace, what: str, folder: Path) -> dict[str, Any]:
    file = workspace.export(what, folder / f"{what}.json")["path"]
    found = json.loads(file.read_text(encoding="utf-8"))
    assert found["schema"] == f"polyledger.export-{what}/1"
    return dict(found)


def test_the_mapping_is_every_market_with_what_happened_in_it(
    workspace: Workspace, truth: dict[str, Any], tmp_path: Path
) -> None:
    text = (workspace.export("mapping", tmp_path / "mapping.json")["path"]).read_text(encoding="utf-8")
    assert "null" not in text
    assert "unknown" not in text.lower()
    found = json.loads(text)
    entries = found["market_id_lookup_results"]
    assert found["left_out"] == 0
    assert entries.keys() == {condition["condition_id"] for condition in truth["conditions"]}
    for condition in truth["conditions"]:
        entry = entries[condition["condition_id"]]
        assert entry["token_ids"] == condition["token_ids"]
        for name in ("market_id", "question", "slug", "outcomes", "event_id", "category", "neg_risk"):
            assert entry[name] == condition[name], name
        assert entry.get("neg_risk_market_id") == condition["neg_risk_market_id"]
        fills = [fill for fill in truth["fills"] if fill["condition_id"] == condition["condition_id"]]
        once = sum(fill["usdc"] - fill["usdc_dust_refund"] for fill in fills if fill["role"] != "maker")
        statistics = entry["statistics"]
        assert statistics["trades"] == len(fills)
        assert Decimal(statistics["volume"]) * 1_000_000 == once
        assert statistics["wallets"] == len({fill["wallet"] for fill in fills})
        numerators = condition.get("payout_numerators")
        even = numerators is not None and len(set(numerators)) == 1
        resolution = entry["resolution"]
        if numerators is None:
            assert resolution["state"] in {"open", "closed_unresolved"}
            assert "payouts" not in resolution
            continue
        assert resolution["state"] == ("void" if even else "resolved")
        assert [Decimal(p) for p in resolution["payouts"]] == [
            Decimal(n * 1_000_000 // sum(numerators)) / 1_000_000 for n in numerators
        ]
        leaders = [index for index, n in enumerate(numerators) if n == max(numerators)]
        assert resolution.get("winner_index") == (leaders[0] if len(leaders) == 1 else None)


def test_markets_and_events(workspace: Workspace, truth: dict[str, Any], tmp_path: Path) -> None:
    markets = {row["condition_id"]: row for row in document(workspace, "markets-dim", tmp_path)["markets_dim"]}
    assert markets.keys() == {condition["condition_id"] for condition in truth["conditions"]}
    for condition in truth["conditions"]:
        row = markets[condition["condition_id"]]
        assert row["token_ids"] == condition["token_ids"]
        assert row["question_index"] == condition["neg_risk_index"]
        assert (row["resolved_at"] is None) == ("payout_numerators" not in condition)
    events = {row["event_id"]: row for row in document(workspace, "events-dim", tmp_path)["events_dim"]}
    assert events.keys() == {condition["event_id"] for condition in truth["conditions"]}
    for number, event in events.items():
        own = [condition for condition in truth["conditions"] if condition["event_id"] == number]
        assert event["markets"] == len(own)
        assert event["resolved_markets"] == sum("payout_numerators" in condition for condition in own)
        assert {event["category"]} == {condition["category"] for condition in own}


def test_the_breakdown_says_what_wallets_says(workspace: Workspace, tmp_path: Path) -> None:
    rows = document(workspace, "wallet-category-breakdown", tmp_path)["wallet_category_breakdown"]
    found = {(row.pop("wallet"), row.pop("category")): row for row in rows}
    expected = {
        (wallet["wallet"], part["category"]): part
        for wallet in workspace.wallets().document["wallets"]
        for part in wallet["categories"]
    }
    assert found.keys() == expected.keys()
    for key, part in expected.items():
        shares = {f"coverage_{name}": value for name, value in part["coverage"].items()}
        left_out = {"coverage", "category", "rests_on_transfers"}
        plain = {name: value for name, value in part.items() if name not in left_out}
        row = found[key]
        del row["fills"]
        assert row == plain | shares


@pytest.mark.parametrize("what", SHAPES)
def test_every_format_holds_the_same_rows(workspace: Workspace, what: str, tmp_path: Path) -> None:
    files = {ending: workspace.export(what, tmp_path / f"rows.{ending}") for ending in ("jsonl", "csv", "parquet")}
    assert len({file["rows"] for file in files.values()}) == 1
    lines = [json.loads(line) for line in files["jsonl"]["path"].read_text(encoding="utf-8").splitlines()]
    with files["csv"]["path"].open(encoding="utf-8", newline="") as file:
        cells = list(csv.DictReader(file))
    columns = pq.read_table(files["parquet"]["path"])
    assert len(lines) == len(cells) == columns.num_rows == files["csv"]["rows"] > 0
    assert list(lines[0]) == list(cells[0]) == columns.column_names
    for line, cell in zip(lines, cells, strict=True):
        for name, value in line.items():
            if isinstance(value, list):
                assert json.loads(cell[name]) == value
            elif value is None:
                assert cell[name] == ""
            elif isinstance(value, bool):
                assert cell[name] == str(value).lower()
            elif not isinstance(value, float):
                assert cell[name] == str(value)


def test_conditions_without_a_market_are_left_out_and_counted(tmp_path: Path, truth: dict[str, Any]) -> None:
    off = {"enabled": False}
    with (
        replica_of(world_of(DEVWORLD_LOGS)) as url,
        workspace_at(tmp_path / "ledger", url, gamma=off, clob=off) as opened,
    ):
        opened.sync()
        written = opened.export("mapping", tmp_path / "mapping.json")
        count = len(truth["conditions"])
        assert (written["rows"], written["left_out"]) == (0, count)
        found = json.loads(written["path"].read_text(encoding="utf-8"))
        assert found["left_out"] == count
        assert found["market_id_lookup_results"] == {}
        assert opened.export("resolutions", tmp_path / "resolutions.csv")["rows"] == count


def test_a_doubled_row_stops_the_export_and_leaves_the_old_file(workspace: Workspace, tmp_path: Path) -> None:
    copied = tmp_path / "copied"
    copied.mkdir()
    workspace.close()
    (copied / "ledger.duckdb").write_bytes((workspace.path / "ledger.duckdb").read_bytes())
    connection = duckdb.connect(str(copied / "ledger.duckdb"))
    connection.execute("INSERT INTO chain.resolutions SELECT * FROM chain.resolutions LIMIT 1").fetchall()
    connection.close()
    out = tmp_path / "resolutions.parquet"
    out.write_text("older")
    with Workspace(copied, workspace.settings) as damaged:
        with pytest.raises(OutputExistsError):
            damaged.export("resolutions", out)
        with pytest.raises(InvariantError, match="rows where the ledger has 31"):
            damaged.export("resolutions", out, force=True)
    assert out.read_text() == "older"
    assert [file.name for file in tmp_path.iterdir() if file.name.endswith(".part")] == []


def test_what_is_asked_wrongly(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no export 'maping'"):
        workspace.export("maping", tmp_path / "mapping.json")
    with pytest.raises(UsageError, match="which format"):
        workspace.export("mapping", tmp_path / "mapping.xls")
