"""Raw logs from files give the ledger that a scan gives, however the files are written; broken ones are refused."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polyledger.config import load_settings
from polyledger.domain.errors import UnreadableFileError
from polyledger.workspace import open as open_workspace
from tests.paths import DEVWORLD_LOGS
from tests.worlds import assert_equal_ledgers, document_of, exports, replica_of, sync, workspace_at, world_of
from tests.worlds import run_here as run

OFF = {"gamma": {"enabled": False}, "clob": {"enabled": False}}


@pytest.fixture(scope="module")
def world() -> Any:
    return document_of(DEVWORLD_LOGS)


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("scanned")
    with replica_of(world_of()) as url:
        sync(folder, url, **OFF)
    return exports(folder)


def snake(log: dict[str, Any]) -> dict[str, Any]:
    """A log as tables of bulk providers have it: numbers, snake case, topics apart."""
    topics = dict(zip(("topic0", "topic1", "topic2", "topic3"), [*log["topics"], None, None, None, None], strict=False))
    return {
        "address": log["address"],
        **topics,
        "data": log["data"],
        "block_number": int(log["blockNumber"], 16),
        "block_hash": log["blockHash"],
        "transaction_hash": log["transactionHash"],
        "transaction_index": int(log["transactionIndex"], 16),
        "log_index": int(log["logIndex"], 16),
        "block_timestamp": int(log["blockTimestamp"], 16),
    }


def as_bytes(table: pa.Table) -> pa.Table:
    """The same with bytes where hex text was."""
    columns = {}
    for name in table.column_names:
        values = table.column(name).to_pylist()
        is_hex = any(isinstance(value, str) for value in values)
        columns[name] = [None if v is None else bytes.fromhex(v[2:]) for v in values] if is_hex else values
    return pa.table(columns)


def wire_lines(world: Any, folder: Path) -> list[Path]:
    file = folder / "logs.jsonl.gz"
    file.write_bytes(gzip.compress("".join(json.dumps(log) + "\n" for log in world["logs"]).encode()))
    return [file]


def hex_table(world: Any, folder: Path) -> list[Path]:
    pq.write_table(pa.Table.from_pylist([snake(log) for log in world["logs"]]), folder / "logs.parquet")
    return [folder / "logs.parquet"]


def tables_of_bytes_with_blocks(world: Any, folder: Path) -> list[Path]:
    """Three files in any order, shuffled within, without times; the times are in a file of blocks."""
    rows = [snake(log) for log in world["logs"]]
    middle = sorted({row["block_number"] for row in rows})[100]
    parts = [[r for r in rows if r["block_number"] < middle], [r for r in rows if r["block_number"] >= middle]]
    files = []
    for number, part in enumerate(reversed(parts)):
        random.Random(3).shuffle(part)
        table = as_bytes(pa.Table.from_pylist(part)).drop_columns(["block_timestamp"])
        files.append(folder / f"logs-{number}.parquet")
        pq.write_table(table, files[-1])
    blocks = [
        {"number": b["number"], "hash": b["hash"], "parent_hash": b["parentHash"], "timestamp": b["timestamp"]}
        for b in world["blocks"]
    ]
    (folder / "blocks.jsonl").write_text("".join(json.dumps(block) + "\n" for block in blocks))
    return [*files, folder / "blocks.jsonl"]


@pytest.mark.parametrize("write", [wire_lines, hex_table, tables_of_bytes_with_blocks])
def test_the_ledger_of_files_is_the_ledger_of_a_scan(
    world: Any, scanned: dict[str, bytes], tmp_path: Path, write: Any
) -> None:
    files = write(world, tmp_path)
    folder = tmp_path / "ledger"
    with open_workspace(folder, settings=load_settings(folder, {})) as workspace:
        document = workspace.import_logs(files, from_block=world["from_block"], to_block=world["to_block"])
        assert (document["state"], document["fills"], document["unbalanced"]) == ("done", 2000, 0)
        assert workspace.verify().document["ok"]
        again = workspace.import_logs(files, from_block=world["from_block"], to_block=world["to_block"])
        assert again["logs"] == 0
    assert_equal_ledgers(exports(folder), scanned)


def test_a_sync_goes_on_where_the_file_ends(world: Any, scanned: dict[str, bytes], tmp_path: Path) -> None:
    middle = (world["from_block"] + world["to_block"]) // 2
    half = {**world, "logs": [log for log in world["logs"] if int(log["blockNumber"], 16) <= middle]}
    files = hex_table(half, tmp_path)
    folder = tmp_path / "ledger"
    done = run("-w", folder, "import", "--as", "logs", *files, "--from", str(world["from_block"]), "--to", str(middle),
               "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    with replica_of(world_of()) as url, workspace_at(folder, url, **OFF) as workspace:
        assert workspace.sync()["rolled_back"] == []
        assert workspace.verify().document["ok"]
    assert_equal_ledgers(exports(folder), scanned)


BROKEN = {
    "a hash that is none": ({"transaction_hash": "0x12"}, "malformed transaction_hash"),
    "no block": ({"block_number": None}, "malformed block_number"),
    "odd data": ({"data": "0x123"}, "malformed data"),
    "data that is no hex": ({"data": "0xzz"}, "malformed data"),
    "a topic after a hole": ({"topic0": None}, "malformed topic"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_log_refuses_the_file(world: Any, tmp_path: Path, kind: str) -> None:
    changes, said = BROKEN[kind]
    rows = [snake(log) for log in world["logs"][:300]]
    rows[200] = {**rows[200], **changes}
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "logs.parquet")
    folder = tmp_path / "ledger"
    with open_workspace(folder, settings=load_settings(folder, {})) as workspace:
        with pytest.raises(UnreadableFileError, match=f"Row 201 has a {said}"):
            workspace.import_logs([tmp_path / "logs.parquet"])
        assert workspace.sql("SELECT count(*) AS n FROM meta.intervals").document["rows"] == [[0]]
