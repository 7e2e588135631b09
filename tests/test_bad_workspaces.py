"""Workspaces that are damaged, newer, taken away or held by others, as processes: refused, with nothing lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import duckdb
import pytest

from tests.refusals import assert_refused, copy_of, long, run
from tests.worlds import (
    COMMAND,
    HALF_OF_DEVWORLD,
    assert_equal_ledgers,
    command_environment,
    exports,
    replica_of,
    sync,
    world_of,
)


def damaged(kind: str, devworld: Path, folder: Path) -> Path:
    """A workspace damaged in one way."""
    if kind == "a file":
        (folder / "file").write_text("not a folder")
        return folder / "file"
    if kind == "not writable":
        return Path("/sys/polyledger")  # where not even the superuser may make a folder
    workspace = copy_of(devworld, folder)
    ledger = workspace / "ledger.duckdb"
    size = ledger.stat().st_size
    if kind == "a folder in its place":
        ledger.unlink()
        ledger.mkdir()
    elif kind == "garbage":
        ledger.write_bytes(os.urandom(100_000))
    elif kind == "empty":
        ledger.write_bytes(b"")
    elif kind == "garbage in the middle":
        with ledger.open("r+b") as file:
            file.seek(size // 4)
            file.write(os.urandom(size // 2))
    elif kind == "bad log":
        # What a process that was killed leaves behind, then damaged.
        code = (
            f"import duckdb, os; c = duckdb.connect({str(ledger)!r}); "
            "c.execute('CREATE TABLE more AS SELECT range AS n FROM range(100000)'); os._exit(0)"
        )
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
        with (workspace / "ledger.duckdb.wal").open("r+b") as file:
            file.seek(50_000)
            file.write(os.urandom(1000))
    elif kind == "another database":
        ledger.unlink()
        duckdb.connect(str(ledger)).execute("CREATE TABLE mine AS SELECT 42 AS answer").close()
    elif kind == "newer":
        with duckdb.connect(str(ledger)) as connection:
            connection.execute("UPDATE meta.format SET version = 99, created_by = '9.9.9'")
    else:
        os.truncate(ledger, {"cut off": size // 2, "cut to its head": 5000, "last page gone": size - 4096}[kind])
    return workspace


SQL = ["sql", "SELECT count(*) FROM fills"]
READING = {
    "a file": [["wallets"]],
    "not writable": [],
    "garbage": [["wallets"]],
    "cut off": [],
    "another database": [SQL],
    "newer": [SQL],
    "empty": [["wallets"], SQL, ["status"]],
    "a folder in its place": [["wallets"], SQL],
    "garbage in the middle": [["verify"]],
    "bad log": [["wallets"], SQL],
    "cut to its head": [["wallets"], ["verify"], SQL],
    "last page gone": [],  # what a question needs may all be there
}


@pytest.mark.parametrize(
    ("kind", "code", "part"),
    [
        ("a file", 2, "is a file"),
        pytest.param("not writable", 1, "cannot be made a workspace", marks=long),
        ("garbage", 1, "ledger.duckdb"),
        ("cut off", 1, "ledger.duckdb"),
        pytest.param("another database", 1, "not a ledger", marks=long),
        ("newer", 1, "9.9.9"),
        pytest.param("empty", 1, "ledger.duckdb", marks=long),
        pytest.param("a folder in its place", 1, "ledger.duckdb", marks=long),
        pytest.param("garbage in the middle", 1, "ledger.duckdb", marks=long),
        pytest.param("bad log", 1, "ledger.duckdb", marks=long),
        pytest.param("cut to its head", 1, "ledger.duckdb", marks=long),
        pytest.param("last page gone", 1, "ledger.duckdb", marks=long),
    ],
)
def test_a_workspace_that_cannot_be_used(  # noqa: PLR0917
    kind: str, code: int, part: str, devworld: Path, url: str, tmp_path: Path
) -> None:
    workspace = damaged(kind, devworld, tmp_path)
    ledger = workspace / "ledger.duckdb"
    before = ledger.read_bytes() if ledger.is_file() else None
    assert_refused(run(url, workspace, "sync"), code, part)
    for arguments in READING[kind]:
        assert_refused(run(url, workspace, *arguments), code, part)
    if kind == "newer" and before is not None:
        with duckdb.connect(str(ledger), read_only=True) as connection:
            assert connection.execute("SELECT version FROM meta.format").fetchall() == [(99,)]


@long
def test_a_ledger_that_was_taken_away_is_built_again(devworld: Path, url: str, tmp_path: Path) -> None:
    workspace = copy_of(devworld, tmp_path)
    (workspace / "ledger.duckdb").unlink()
    (workspace / "ledger.duckdb.wal").write_bytes(b"left over")
    assert run(url, workspace, "sync").returncode == 0
    assert_equal_ledgers(exports(workspace), exports(devworld))
    assert (workspace / "ledger.duckdb.wal.old").read_bytes() == b"left over"


def test_a_ledger_held_by_another_run(half_world: Path, tmp_path: Path) -> None:
    workspace = copy_of(half_world, tmp_path)
    slow = {"rpc": {"max_block_range": 2, "range_refusal": "limited"}, "http": {"latency_seconds": 1.0}}
    with replica_of(world_of(), slow) as url:
        command = [*COMMAND, "-w", str(workspace), "sync"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(command, env=command_environment(url), **quiet) as first:
            lock = workspace / "ledger.lock"
            until = time.monotonic() + 30
            while '"done"' not in lock.read_text() and time.monotonic() < until:
                time.sleep(0.02)
            for arguments in (["sync"], ["export", "fills", "--out", str(tmp_path / "fills.csv")]):
                done = run(url, workspace, *arguments)
                assert_refused(done, 75, f"process {first.pid}", "sync", "blocks", " of ", "run the same command again")
            assert run(url, workspace, "wallets").returncode == 0
            status = json.loads(run(url, workspace, "status", "--json").stdout)
            assert (status["run"]["state"], status["run"]["pid"]) == ("running", first.pid)
            assert 0 < status["sources"][0]["done"] < status["sources"][0]["total"]
            first.send_signal(signal.SIGKILL)
    # A killed holder is none: what it wrote into the lock does not keep anybody out.
    assert run(url, workspace, *SQL).returncode == 0


@pytest.mark.long
def test_a_ledger_that_another_program_has_open(half_world: Path, devworld: Path, url: str, tmp_path: Path) -> None:
    workspace = copy_of(half_world, tmp_path)
    code = (
        f"import duckdb; c = duckdb.connect({str(workspace / 'ledger.duckdb')!r}); print('open', flush=True); input()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == b"open\n"
        for arguments in (["sync"], ["wallets"]):
            assert_refused(run(url, workspace, *arguments), 75, str(other.pid), "run the same command again")
        other.stdin.close()
    assert sync(workspace, url)["state"] == "done"
    assert_equal_ledgers(exports(workspace), exports(devworld))


def test_whoever_only_looks_does_not_keep_a_run_out(half_world: Path, url: str, tmp_path: Path) -> None:
    import fcntl

    workspace = copy_of(half_world, tmp_path)
    with (workspace / "ledger.lock").open("rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)  # what `status` holds for a moment
        threading.Timer(0.05, lambda: fcntl.flock(looking, fcntl.LOCK_UN)).start()
        assert sync(workspace, url, chain={"to_block": HALF_OF_DEVWORLD})["state"] == "done"
