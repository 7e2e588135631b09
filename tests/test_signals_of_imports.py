"""Signals on fills that come from files: the same as those of a sync, wherever in the chain the files begin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polyledger.cli.app import run
from tests.paths import DEVWORLD_LOGS
from tests.test_import_logs import snake
from tests.worlds import command_environment, document_of, replica_of, sync, workspace_at, world_of

RULES = (
    '[[rule]]\nname = "large"\nmin_size = 150\n[[rule]]\nname = "politics"\ncategories = ["Politics"]\nmin_size = 90\n'
)
STRATEGIES = '[[strategy]]\nname = "follow"\nrules = ["large"]\n'


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with replica_of(world_of()) as running:
        yield running


@pytest.fixture(scope="module")
def synced(url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synced")
    (folder / "signals.toml").write_text(RULES)
    sync(folder, url)
    return folder


def command(folder: Path, *words: str) -> int:
    return run(["-w", str(folder), *words])


def keys(folder: Path, url: str) -> list[tuple[Any, ...]]:
    with workspace_at(folder, url) as workspace:
        return [(r["rule"], r["transaction"], r["log_index"]) for r in workspace.signals().document["signals"]]


def halves(folder: Path) -> tuple[Path, Path, int]:
    """The recorded logs in two files, and the last block of the first."""
    world = document_of(DEVWORLD_LOGS)
    middle = (world["from_block"] + world["to_block"]) // 2
    rows = [snake(log) for log in world["logs"]]
    files = folder / "first.parquet", folder / "second.parquet"
    pq.write_table(pa.Table.from_pylist([row for row in rows if row["block_number"] <= middle]), files[0])
    pq.write_table(pa.Table.from_pylist([row for row in rows if row["block_number"] > middle]), files[1])
    return (*files, middle)


def test_imported_logs_give_the_signals_and_entries_of_a_sync(
    synced: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The later half comes first: what is new to a rule is what was not scanned before, not what is higher."""
    for name, value in command_environment(url).items():
        monkeypatch.setenv(name, value)
    world = document_of(DEVWORLD_LOGS)
    first, second, middle = halves(tmp_path)
    folder = tmp_path / "ledger"
    folder.mkdir()
    (folder / "signals.toml").write_text(RULES)
    (folder / "strategies.toml").write_text(STRATEGIES)
    (folder / "polyledger.toml").write_text("[watchlist]\nenabled = true\n")
    logs = ["import", "--as", "logs", "--json"]
    assert command(folder, *logs, str(second), "--from", str(middle + 1), "--to", str(world["to_block"])) == 0
    later = json.loads(capsys.readouterr().out)["signals"]
    assert (later["fired"] > 5, later["watchlist"] > 5, later["awaiting"] > 5) == (True, True, True)
    assert {row[0] for row in keys(folder, url)} == {"large"}  # the rest waits for what sources say of its markets
    assert command(folder, *logs, str(first), "--from", str(world["from_block"]), "--to", str(middle)) == 0
    assert json.loads(capsys.readouterr().out)["signals"]["fired"] > 5
    assert command(folder, *logs, str(first), "--from", str(world["from_block"]), "--to", str(middle)) == 0
    assert json.loads(capsys.readouterr().out)["signals"]["fired"] == 0
    assert sync(folder, url)["signals"]["awaiting"] == 0
    assert keys(folder, url) == keys(synced, url)
    with workspace_at(folder, url) as workspace:
        # What depends on blocks below those of the first file was taken back with them, and fetched by the sync.
        assert {row["found_by"] for row in workspace.signals(rule="large").document["signals"]} == {"import", "sync"}


@pytest.mark.long
def test_a_mapping_from_a_file_fires_what_waited_for_it(
    synced: Path, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "ledger"
    folder.mkdir()
    (folder / "signals.toml").write_text(RULES)
    silent = {name: {"enabled": False} for name in ("gamma", "clob", "data_api", "subgraph")}
    assert sync(folder, url, **silent)["signals"]["awaiting"] > 5
    with workspace_at(synced, url) as workspace:
        exported = workspace.export("markets-dim", tmp_path / "markets.parquet")["path"]
    assert command(folder, "import", "--as", "mapping", str(exported), "--json") == 0
    assert json.loads(capsys.readouterr().out)["signals"]["awaiting"] == 0
    assert keys(folder, url) == keys(synced, url)


def test_a_mistake_in_the_rules_does_not_undo_an_import(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, _, _ = halves(tmp_path)
    folder = tmp_path / "ledger"
    folder.mkdir()
    (folder / "signals.toml").write_text('[[rule]]\nname = "a"\nsize = 5\n')
    assert command(folder, "import", "--as", "logs", str(first)) == 2
    said = capsys.readouterr()
    assert "line 3, key 'size'" in said.err
    assert "What was fetched is saved" in said.err
    assert "fills are new" in said.out
