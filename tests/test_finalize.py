"""Finalizing: refused while work is open, checked, written whole, and the same again."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from polyledger.cli.app import run as run_command
from polyledger.config import load_settings
from polyledger.domain.errors import InvariantError, UnfinishedWorkError, WorkspaceLockedError
from polyledger.report import report_files
from polyledger.sync.lock import WorkspaceLock
from polyledger.workspace import Workspace
from tests.worlds import replica_of, workspace_at, world_of

REPORT_AND_TABLES = {
    "market_id_lookup_results.json", "markets_dim.parquet", "events_dim.parquet", "resolutions.parquet",
    "wallet_category_breakdown.parquet", "report.html", "report.json", "finalize.json",
}  # fmt: skip


@pytest.fixture
def folder(devworld: Path, tmp_path: Path) -> Path:
    """A ledger of its own, to be tampered with."""
    return Path(shutil.copytree(devworld, tmp_path / "ledger"))


@pytest.fixture
def workspace(folder: Path) -> Iterator[Workspace]:
    with Workspace(folder, load_settings(folder, {})) as workspace:
        yield workspace


def change(folder: Path, sql: str) -> None:
    with duckdb.connect(str(folder / "ledger.duckdb")) as connection:
        connection.execute(sql)


def contents(folder: Path) -> dict[str, bytes]:
    final = folder / "reports" / "final"
    return {path.name: path.read_bytes() for path in final.iterdir()} if final.exists() else {}


def test_everything_is_written_and_accounted_for(workspace: Workspace, folder: Path) -> None:
    document = workspace.finalize(report=report_files)
    first = contents(folder)
    assert first.keys() == REPORT_AND_TABLES
    assert document["unfinished"] == []
    assert document["checks"]["failed"] == 0 < document["checks"]["ok"]
    assert json.loads(first["finalize.json"]) == document
    for entry in document["files"]:
        assert hashlib.sha256(first[entry["file"]]).hexdigest() == entry["sha256"]
        assert len(first[entry["file"]]) == entry["bytes"]
        if entry["file"].endswith(".parquet"):
            assert pq.read_table(folder / "reports" / "final" / entry["file"]).num_rows == entry["rows"]
    assert json.loads(first["report.json"])["coverage"] == document["coverage"]
    assert len(json.loads(first["market_id_lookup_results.json"])["market_id_lookup_results"]) == 31
    assert [path.name for path in (folder / "reports").iterdir()] == ["final"]


@pytest.mark.long
def test_an_unchanged_ledger_gives_the_same_bytes(workspace: Workspace, folder: Path) -> None:
    workspace.finalize(report=report_files)
    first = contents(folder)
    assert json.loads(first["report.json"]) == workspace.report().document
    workspace.finalize(report=report_files)
    assert contents(folder) == first


def test_a_run_that_ended_early_stands_in_the_way(
    workspace: Workspace, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(folder, "UPDATE meta.runs SET state = 'partial', message = 'the clob hung up'")
    with pytest.raises(UnfinishedWorkError, match="ended partial: the clob hung up"):
        workspace.finalize(report=report_files)
    assert contents(folder) == {}
    workspace.close()
    assert run_command(["-w", str(folder), "finalize"]) == 4
    assert "polyledger -w" in capsys.readouterr().err


@pytest.mark.long
def test_force_goes_on_and_says_so(folder: Path) -> None:
    change(folder, "UPDATE meta.runs SET state = 'partial', message = 'the clob hung up'")
    assert run_command(["-w", str(folder), "finalize", "--force"]) == 0
    assert json.loads(contents(folder)["finalize.json"])["unfinished"][0]["what"] == "run not complete"
    assert b"the clob hung up" in contents(folder)["report.html"]


def test_holes_and_due_keys_stand_in_the_way(workspace: Workspace, folder: Path) -> None:
    change(folder, "UPDATE meta.intervals SET to_block = to_block - 10")
    change(folder, "INSERT INTO meta.intervals SELECT scope, to_block + 5, to_block + 10, last_hash, 0, digest, run_id "
                   "FROM meta.intervals")  # fmt: skip
    change(folder, "INSERT INTO meta.pending VALUES ('slug', 'x', TIMESTAMP '2024-01-01', 1, "
                   "TIMESTAMP '2024-01-02', '[]')")  # fmt: skip
    with pytest.raises(UnfinishedWorkError, match=r"4 blocks in 1 holes.*1 keys that nobody knew"):
        workspace.finalize(report=report_files)


@pytest.mark.long
def test_an_import_wants_a_sync_and_brings_a_table_of_its_own(folder: Path, tmp_path: Path) -> None:
    with Workspace(folder, load_settings(folder, {})) as workspace:
        (token, condition), *_ = workspace.sql("SELECT token_id, condition_id FROM tokens LIMIT 1").document["rows"]
    file = tmp_path / "trades.csv"
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["token_id", "condition_id", "wallet", "side", "shares", "usdc", "timestamp"])
        writer.writerow([token, condition, "0x" + "ab" * 20, "BUY", "10", "5", "1704412800"])
    with replica_of(world_of()) as url, workspace_at(folder, url) as workspace:
        workspace.import_trades([file])
        with pytest.raises(UnfinishedWorkError, match=r"trades\.csv was imported after the last run"):
            workspace.finalize(report=report_files)
        workspace.sync()
        document = workspace.finalize(report=report_files)
        report = workspace.report().document
    assert contents(folder).keys() == REPORT_AND_TABLES | {"enriched_trades.parquet"}
    assert {e["file"]: e["rows"] for e in document["files"]}["enriched_trades.parquet"] == 1
    assert [entry["doing"] for entry in report["history"]] == ["sync", "import", "sync"]
    assert report["as_it_came"]["source"]["file:trades.csv"] == {
        "trades": {"condition": 1, "market": 0}, "volume": {"condition": "5.000000", "market": "0.000000"},
    }  # fmt: skip
    assert report["as_it_came"]["month"].keys() == {"2024-01"}


@pytest.mark.long
def test_books_that_do_not_balance_leave_the_earlier_result(workspace: Workspace, folder: Path) -> None:
    workspace.finalize(report=report_files)
    before = contents(folder)
    workspace.close()
    change(folder, "DELETE FROM chain.share_transfers WHERE tx = (SELECT max(tx) FROM chain.share_transfers)")
    for force in (False, True):
        with pytest.raises(InvariantError, match="do not balance"):
            workspace.finalize(report=report_files, force=force)
    assert contents(folder) == before


@pytest.mark.long
def test_a_failure_in_the_middle_leaves_the_earlier_result(workspace: Workspace, folder: Path) -> None:
    workspace.finalize(report=report_files)
    before = contents(folder)

    def broken(document: dict[str, Any]) -> dict[str, str]:
        raise RuntimeError(document["schema"])

    with pytest.raises(RuntimeError):
        workspace.finalize(report=broken)
    assert contents(folder) == before
    assert [path.name for path in (folder / "reports").iterdir()] == ["final"]


@pytest.mark.long
def test_what_a_killed_process_left_is_put_right(workspace: Workspace, folder: Path) -> None:
    workspace.finalize(report=report_files)
    before = contents(folder)
    reports = folder / "reports"
    (reports / "final").replace(reports / ".final.999999999.old")  # between the two renames
    (reports / ".final.999999999.part").mkdir()

    def looking(_document: dict[str, Any]) -> dict[str, str]:
        assert contents(folder) == before
        return {}

    workspace.finalize(report=looking)
    assert [path.name for path in reports.iterdir()] == ["final"]


def test_a_process_that_holds_the_ledger_is_never_passed_over(workspace: Workspace, folder: Path) -> None:
    with WorkspaceLock(folder, "sync"), pytest.raises(WorkspaceLockedError) as caught:
        workspace.finalize(report=report_files, force=True)
    assert caught.value.exit_code == 75
    assert contents(folder) == {}
