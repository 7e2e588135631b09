"""Bad input, as processes: one paragraph with what to do, the exit code of the contract, and nothing lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import duckdb
import pytest

from polyledger.ctf.contracts import ContractSet
from tests.worlds import (
    COMMAND,
    FIRST_BLOCK,
    assert_equal_ledgers,
    command_environment,
    exports,
    replica_of,
    stats,
    sync,
    workspace_at,
    world_of,
)

long = pytest.mark.long
HALF = 52_000_250
Finished = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with replica_of(world_of(), {"rpc": {"max_block_range": 25}}) as running:
        yield running


@pytest.fixture(scope="module")
def whole(url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the whole world. Not to be changed: take a copy."""
    folder = tmp_path_factory.mktemp("whole")
    assert sync(folder, url)["state"] == "done"
    return folder


@pytest.fixture(scope="module")
def half(url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the first half of the world. Not to be changed: take a copy."""
    folder = tmp_path_factory.mktemp("half")
    assert sync(folder, url, chain={"to_block": HALF})["state"] == "done"
    return folder


def run(url: str, workspace: Path, *arguments: str, **variables: str) -> Finished:
    return subprocess.run(
        [*COMMAND, "-w", str(workspace), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**command_environment(url), **variables},
    )


def assert_refused(done: Finished, code: int, *parts: str) -> None:
    """One paragraph on standard error that says all of `parts` and what to do; nothing on standard output."""
    assert done.returncode == code, (done.args, done.stdout, done.stderr)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    # What happened, and after it what to do.
    assert done.stderr.rstrip().endswith(".")
    assert done.stderr.count(". ") >= 1, done.stderr
    for part in parts:
        assert part in done.stderr, (part, done.stderr)


def copy_of(workspace: Path, folder: Path) -> Path:
    return Path(shutil.copytree(workspace, folder / "copy"))


# --- endpoints


@contextmanager
def web_server(status: int, body: bytes) -> Iterator[str]:
    """Answers everything the same way, as a server does that is no node."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(200, b"<html><body>Welcome</body></html>", id="page"),
        pytest.param(404, b"Not found", id="plain"),
        pytest.param(200, b'{"data": []}', id="other-json", marks=long),
        pytest.param(501, b"Unsupported method ('POST')", id="file-server", marks=long),
    ],
)
def test_an_endpoint_that_is_no_node(status: int, body: bytes, half: Path, url: str, tmp_path: Path) -> None:
    workspace = copy_of(half, tmp_path)
    with web_server(status, body) as other:
        done = run(url, workspace, "sync", POLYLEDGER_CHAIN__RPC_URL=other)
    assert_refused(done, 2, other, "chain.rpc_url")
    assert_equal_ledgers(exports(workspace), exports(half))


def test_no_endpoint_and_another_chain(half: Path, whole: Path, url: str, tmp_path: Path) -> None:
    workspace = copy_of(half, tmp_path)
    away = run(url, workspace, "sync", POLYLEDGER_CHAIN__RPC_URL="http://127.0.0.1:1/key")
    assert_refused(away, 75, "http://127.0.0.1:1", "cannot be reached", "Try again later")
    fresh = tmp_path / "fresh"
    other = run(url, fresh, "sync", POLYLEDGER_CHAIN__CHAIN_ID="80002")
    assert_refused(other, 2, "serves chain 137", "80002", "chain.rpc_url")
    # The ledgers are none the worse: the right settings complete both.
    for folder in (workspace, fresh):
        assert sync(folder, url)["state"] == "done"
        assert_equal_ledgers(exports(folder), exports(whole))


@long
def test_an_empty_list_of_endpoints(url: str, tmp_path: Path) -> None:
    assert_refused(run(url, tmp_path, "sync", POLYLEDGER_CHAIN__RPC_URL=" "), 2, "chain.rpc_url", "names no endpoint")


# --- workspaces that cannot be used


def damaged(kind: str, whole: Path, folder: Path) -> Path:
    """A workspace damaged in one way."""
    if kind == "a file":
        (folder / "file").write_text("not a folder")
        return folder / "file"
    if kind == "not writable":
        return Path("/sys/polyledger")  # where not even the superuser may make a folder
    workspace = copy_of(whole, folder)
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
    kind: str, code: int, part: str, whole: Path, url: str, tmp_path: Path
) -> None:
    workspace = damaged(kind, whole, tmp_path)
    ledger = workspace / "ledger.duckdb"
    before = ledger.read_bytes() if ledger.is_file() else None
    assert_refused(run(url, workspace, "sync"), code, part)
    for arguments in READING[kind]:
        assert_refused(run(url, workspace, *arguments), code, part)
    if kind == "newer" and before is not None:
        with duckdb.connect(str(ledger), read_only=True) as connection:
            assert connection.execute("SELECT version FROM meta.format").fetchall() == [(99,)]


@long
def test_a_ledger_that_was_taken_away_is_built_again(whole: Path, url: str, tmp_path: Path) -> None:
    workspace = copy_of(whole, tmp_path)
    (workspace / "ledger.duckdb").unlink()
    (workspace / "ledger.duckdb.wal").write_bytes(b"left over")
    assert run(url, workspace, "sync").returncode == 0
    assert_equal_ledgers(exports(workspace), exports(whole))
    assert (workspace / "ledger.duckdb.wal.old").read_bytes() == b"left over"


# --- ledgers that are held


def test_a_ledger_held_by_another_run(half: Path, tmp_path: Path) -> None:
    workspace = copy_of(half, tmp_path)
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
def test_a_ledger_that_another_program_has_open(half: Path, whole: Path, url: str, tmp_path: Path) -> None:
    workspace = copy_of(half, tmp_path)
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
    assert_equal_ledgers(exports(workspace), exports(whole))


def test_whoever_only_looks_does_not_keep_a_run_out(half: Path, url: str, tmp_path: Path) -> None:
    import fcntl

    workspace = copy_of(half, tmp_path)
    with (workspace / "ledger.lock").open("rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)  # what `status` holds for a moment
        threading.Timer(0.05, lambda: fcntl.flock(looking, fcntl.LOCK_UN)).start()
        assert sync(workspace, url, chain={"to_block": HALF})["state"] == "done"


# --- ids, ranges, settings


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["wallet", "0x12"], "'0x12' is not an address"),
        pytest.param(["wallet", "0x" + "12" * 20], "0x" + "12" * 20, marks=long),
        pytest.param(["explain", "0x" + "1" * 63], "is not a condition id", marks=long),
        pytest.param(["wallet", ""], "not an address", marks=long),
        pytest.param(["wallet", "0x" + "zz" * 20], "not an address", marks=long),
        pytest.param(["explain", "0x" + "12" * 32], "has never seen", marks=long),
        pytest.param(["explain", "12345"], "has never seen", marks=long),
        pytest.param(["explain", str(2**256)], "below 2^256", marks=long),
        pytest.param(["explain", "0x" + "12" * 32 + ":x"], "is not a fill id", marks=long),
        pytest.param(["explain", "0x" + "12" * 32 + ":7"], "no fill", marks=long),
        pytest.param(["explain", "-5"], "is not an id", marks=long),
        pytest.param(["wallets", "--category", "Nonsense"], "Nonsense", marks=long),
        (["sync", "--from", "52000300", "--to", "52000100"], "from_block 52000300 is past to_block 52000100"),
        (["sync", "--from", "99000000"], "99,000,000"),
        pytest.param(["sync", "--from", str(2**70)], "chain.from_block", marks=long),
        pytest.param(["sync", "--from", "-1"], "chain.from_block", marks=long),
        pytest.param(["sync", "--to", "soon"], "chain.to_block", marks=long),
    ],
)
def test_ids_and_ranges_that_make_no_sense(
    arguments: list[str], part: str, half: Path, url: str, tmp_path: Path
) -> None:
    workspace = copy_of(half, tmp_path)
    assert_refused(run(url, workspace, *arguments), 2, part)
    assert_equal_ledgers(exports(workspace), exports(half))


CONDITIONAL_TOKENS = "0x4d97dcd97ec945f40cf65f87097ace5ea0476045"
COLLATERAL = "0x2791bca1f2de4661ed88a30c99a7a9449aa84174"


@pytest.mark.parametrize(
    ("contracts", "part"),
    [
        ({"collateral": COLLATERAL}, "no conditional_tokens"),
        pytest.param({"conditional_tokens": CONDITIONAL_TOKENS}, "no collateral", marks=long),
        pytest.param({"conditional_tokens": "0x12", "collateral": COLLATERAL}, "not an address", marks=long),
        pytest.param({"tokens": CONDITIONAL_TOKENS}, "unknown role", marks=long),
        pytest.param({}, "names no contract", marks=long),
        pytest.param(
            {
                "conditional_tokens": CONDITIONAL_TOKENS,
                "collateral": COLLATERAL,
                "neg_risk_adapter": "0xd91e80cf2e7be2e162c6513ced06f1dd0da35296",
            },
            "no wrapped_collateral",
            marks=long,
        ),
    ],
)
def test_a_contract_set_that_no_books_can_be_kept_for(
    contracts: dict[str, str], part: str, url: str, tmp_path: Path
) -> None:
    done = run(url, tmp_path, "sync", POLYLEDGER_CHAIN__CONTRACTS=json.dumps(contracts))
    assert_refused(done, 2, part, "chain.contracts")


def test_mainnet_is_a_usable_contract_set() -> None:
    ContractSet.mainnet().check_usable()


def test_a_ledger_keeps_to_what_it_was_begun_with(half: Path, whole: Path, url: str, tmp_path: Path) -> None:
    workspace = copy_of(half, tmp_path)
    own = json.dumps({"conditional_tokens": CONDITIONAL_TOKENS, "collateral": COLLATERAL})
    stats(url, reset=True)
    for variable, value, parts in (
        ("CONTRACTS", own, ["chain.contracts", "exchange_v1 0x4bfb41d5b3570defd03c39a9a4d8de6bd8b8982e", "more"]),
        ("COLLATERAL_TRANSFERS", "all", ["collateral_transfers was protocol and is now all"]),
        ("CHAIN_ID", "80002", ["chain_id was 137 and is now 80002"]),
    ):
        done = run(url, workspace, "sync", **{f"POLYLEDGER_CHAIN__{variable}": value})
        assert_refused(done, 2, *parts, "begun with other settings", "another workspace")
    assert stats(url)["requests"].get("rpc", 0) == 0
    assert_equal_ledgers(exports(workspace), exports(half))
    assert sync(workspace, url)["state"] == "done"
    assert_equal_ledgers(exports(workspace), exports(whole))


@pytest.mark.long
def test_wrong_settings_before_the_first_block_bind_nobody(whole: Path, url: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    own = json.dumps({"conditional_tokens": "0x" + "11" * 20, "collateral": "0x" + "22" * 20})
    variables = {"POLYLEDGER_CHAIN__CONTRACTS": own, "POLYLEDGER_CHAIN__RPC_URL": f"http://127.0.0.1:{port}"}
    assert run(url, tmp_path, "sync", **variables).returncode == 75
    assert sync(tmp_path, url)["state"] == "done"
    assert_equal_ledgers(exports(tmp_path), exports(whole))


# --- the first and the last block change


STEPS = {
    "lowered": [(52_000_300, None)],
    "island": [(52_000_400, 52_000_450), (52_000_012, 52_000_399)],
    "holes": [(52_000_300, None), (52_000_060, 52_000_200)],
    "three": [(52_000_500, None), (52_000_400, None), (52_000_095, None)],
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in {"lowered", "island"} else long) for name in STEPS]
)
@pytest.mark.long
def test_earlier_blocks_that_come_later(name: str, whole: Path, url: str, tmp_path: Path) -> None:
    for first, last in STEPS[name]:
        chain = {"from_block": first} if last is None else {"from_block": first, "to_block": last}
        assert sync(tmp_path, url, chain=chain)["state"] == "done"
    # The rest, to the end, whatever lay above the last step.
    report = sync(tmp_path, url)
    assert (report["state"], report["from_block"], report["unbalanced"]) == ("done", FIRST_BLOCK, 0)
    assert_equal_ledgers(exports(tmp_path), exports(whole))
    with workspace_at(tmp_path, url) as workspace:
        assert workspace.verify().document["ok"] is True


@pytest.mark.long
def test_sums_that_were_folded_count_earlier_blocks_too(whole: Path, url: str, tmp_path: Path) -> None:
    from polyledger.store.database import Database
    from polyledger.sync.compaction import fold_holdings

    assert sync(tmp_path, url, chain={"from_block": 52_000_300})["state"] == "done"
    database = Database(tmp_path / "ledger.duckdb", read_only=False, memory_limit=None, threads=None)
    assert fold_holdings(database, world_of().to_block, worth=1) > 0
    database.close()
    # First below a hole, so that the folded blocks stay as they are; then the hole is filled.
    report = sync(tmp_path, url, chain={"to_block": 52_000_100})
    assert report["state"] == "done"
    with duckdb.connect(str(tmp_path / "ledger.duckdb"), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM meta.settings WHERE name = 'holdings_upto'").fetchall() == [
            (0,)
        ]
    assert sync(tmp_path, url)["state"] == "done"
    assert_equal_ledgers(exports(tmp_path), exports(whole))


def test_a_last_block_below_what_is_there_changes_nothing(whole: Path, url: str, tmp_path: Path) -> None:
    workspace = copy_of(whole, tmp_path)
    stats(url, reset=True)
    report = sync(workspace, url, chain={"to_block": 52_000_100})
    assert (report["state"], set(report["rows"].values())) == ("done", {0})
    assert "eth_getLogs" not in stats(url)["rpc"]["calls"]
    assert_equal_ledgers(exports(workspace), exports(whole))


# --- a full disk


class SmallDisk:
    """A file system of a chosen size, in a mount namespace of its own: it goes away with the process that holds it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        script = (
            'mount -t tmpfs -o size=200m tmpfs "$0" && echo ready && '
            'while read size; do mount -o "remount,size=$size" "$0" && echo ready; done'
        )
        self._process = subprocess.Popen(
            ["unshare", "-Urm", "sh", "-c", script, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._heard()

    def _heard(self) -> None:
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            _, said = self._process.communicate()
            pytest.skip(f"no file system can be mounted here: {said.strip()}")

    def resize(self, kilobytes: int) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{kilobytes}k\n")
        self._process.stdin.flush()
        self._heard()

    def used(self) -> int:
        """Kilobytes in use."""
        done = self._inside(["df", "-k", "--output=used", str(self.folder)])
        return int(done.stdout.split()[-1])

    def run(self, url: str, *arguments: str) -> Finished:
        return self._inside([*COMMAND, "-w", str(self.folder / "w"), *arguments], url)

    def _inside(self, command: list[str], url: str = "http://127.0.0.1:1") -> Finished:
        enter = ["nsenter", "-t", str(self._process.pid), "-U", "-m", "--preserve-credentials"]
        return subprocess.run(
            [*enter, *command], capture_output=True, text=True, timeout=120, env=command_environment(url)
        )

    def copied(self, folder: Path) -> Path:
        """A copy of the workspace outside."""
        assert self._inside(["cp", "-r", str(self.folder / "w"), str(folder)]).returncode == 0
        return folder

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    if not sys.platform.startswith("linux") or shutil.which("unshare") is None or shutil.which("nsenter") is None:
        pytest.skip("a small file system needs Linux with unshare and nsenter")
    folder = tmp_path / "disk"
    folder.mkdir()
    made = SmallDisk(folder)
    yield made
    made.close()


def test_a_disk_that_fills_up_in_mid_write(disk: SmallDisk, half: Path, whole: Path, url: str, tmp_path: Path) -> None:
    assert disk.run(url, "sync", "--to", str(HALF)).returncode == 0
    disk.resize(disk.used() + 400)
    done = disk.run(url, "sync")
    assert_refused(done, 4, "is full", "Free some space", "same command again")
    # What was there is there, and can be read on the full disk.
    assert disk.run(url, "verify").returncode == 0
    assert_equal_ledgers(exports(disk.copied(tmp_path / "full")), exports(half))
    disk.resize(200_000)
    assert disk.run(url, "sync").returncode == 0
    assert_equal_ledgers(exports(disk.copied(tmp_path / "out")), exports(whole))


@long
@pytest.mark.parametrize("kilobytes", [4, 8, 40, 200, 600, 1000, 1400])
def test_a_disk_that_is_full_from_the_start(
    kilobytes: int, disk: SmallDisk, whole: Path, url: str, tmp_path: Path
) -> None:
    disk.resize(kilobytes)
    for _ in range(2):
        done = disk.run(url, "sync")
        assert done.returncode == 4, done.stderr
        assert done.stderr.splitlines()[-1].startswith("The disk that holds")
        assert "Traceback" not in done.stderr
    disk.resize(200_000)
    assert disk.run(url, "sync").returncode == 0
    assert_equal_ledgers(exports(disk.copied(tmp_path / "out")), exports(whole))


@long
def test_a_disk_that_fills_up_again_and_again(disk: SmallDisk, whole: Path, url: str, tmp_path: Path) -> None:
    disk.resize(500)
    codes = []
    for _ in range(60):
        done = disk.run(url, "sync", "--to", str(min(world_of().to_block, FIRST_BLOCK + 40 * (len(codes) + 1))))
        codes.append(done.returncode)
        assert done.returncode in {0, 4}, done.stderr
        assert "Traceback" not in done.stderr
        if done.returncode == 0 and len(codes) > 14:
            break
        disk.resize(disk.used() + 150)
    assert 4 in codes
    disk.resize(200_000)
    assert disk.run(url, "sync").returncode == 0
    assert_equal_ledgers(exports(disk.copied(tmp_path / "out")), exports(whole))


# --- evidence of the chain


@pytest.mark.long
def test_raw_answers_of_the_chain_are_kept_on_request(whole: Path, url: str, tmp_path: Path) -> None:
    from polyledger.store.evidence import evidence_path, read_body

    assert sync(tmp_path, url, evidence={"keep": "all"})["state"] == "done"
    assert_equal_ledgers(exports(tmp_path), exports(whole))
    with duckdb.connect(str(tmp_path / "ledger.duckdb"), read_only=True) as connection:
        rows = connection.execute("SELECT request, body_sha256 FROM meta.evidence WHERE source = 'chain'").fetchall()
        ((logs,),) = connection.execute("SELECT sum(logs) FROM meta.intervals").fetchall()
    kept: dict[tuple[str, str], dict[str, str]] = {}
    for request, digest in rows:
        described = json.loads(request)
        first, last = (int(value) for _, value in described["params"])
        assert described["url"] == f"{url}/rpc"
        assert evidence_path(tmp_path / "evidence", digest).stat().st_size < len(
            read_body(tmp_path / "evidence", digest)
        )
        for member in json.loads(read_body(tmp_path / "evidence", digest)):
            found = member.get("result")
            found = found["logs"] if isinstance(found, dict) and "logs" in found else found
            for log in found if isinstance(found, list) else []:
                assert first <= int(log["blockNumber"], 16) <= last
                kept[log["blockNumber"], log["logIndex"]] = log
    # Every log of the ledger stands in an answer that was kept.
    wanted = {(log["blockNumber"], log["logIndex"]) for log in world_logs()}
    assert len(wanted) >= logs
    assert len(wanted & kept.keys()) == logs
    with duckdb.connect(str(whole / "ledger.duckdb"), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM meta.evidence WHERE source = 'chain'").fetchall() == [(0,)]


def world_logs() -> list[dict[str, str]]:
    from tests.paths import DEVWORLD_LOGS
    from tests.worlds import document_of

    return [
        {"blockNumber": _hex(log["blockNumber"]), "logIndex": _hex(log["logIndex"])}
        for log in document_of(DEVWORLD_LOGS)["logs"]
    ]


def _hex(value: int | str) -> str:
    return value if isinstance(value, str) else hex(value)
