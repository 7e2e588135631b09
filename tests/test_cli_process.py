"""The command as a process: exit codes, where output goes, how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from polyledger import __version__

# No endpoint answers: what the doctor says then needs no server.
CLOSED = {"POLYGON_RPC_URL": "http://127.0.0.1:1", "POLYLEDGER_GAMMA__ENABLED": "0", "POLYLEDGER_CLOB__ENABLED": "0"}
COMMAND = [sys.executable, "-m", "polyledger"]


def environment(**more: str) -> dict[str, str]:
    """Ours without settings of the person who runs the tests."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("POLYLEDGER_") and not k.endswith("_RPC_URL")}
    return {**kept, **more}


def run(*arguments: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=120, env=environment(**more)
    )


def test_version() -> None:
    done = run("version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"polyledger {__version__}\n", "")
    assert json.loads(run("version", "--json").stdout) == {"schema": "polyledger.version/1", "version": __version__}
    assert run("--version").stdout.strip() == f"polyledger {__version__}"


def test_heavy_packages_are_not_loaded_to_parse_a_command_line() -> None:
    code = "import sys, polyledger.cli.app as a; a.run(['version']); print([m for m in sys.modules if '.' not in m])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("duckdb", "pyarrow", "numpy", "httpx2", "pydantic", "pandas", "uvicorn"):
        assert f"'{heavy}'" not in loaded


def test_what_fetches_is_not_loaded_to_read_a_ledger() -> None:
    code = "import sys, polyledger.workspace as w; print([m for m in sys.modules if '.' not in m])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("httpx2", "structlog", "uvicorn", "starlette", "polars", "pandas"):
        assert f"'{heavy}'" not in loaded


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["nothing"], "nothing"),
        (["coverage", "--by", "moon"], "moon"),
        (["coverage", "--fail-under", "95"], "0.95"),
        (["wallets", "--era", "v1"], "average-cost"),
        (["wallets", "--limit", "0"], "--limit"),
        (["wallets", "--min-coverage", "2"], "--min-coverage"),
        (["wallet"], "ADDRESS"),
        (["sync", "--from"], "--from"),
        (["sync", "--from", "abc"], "abc"),
        (["export", "fills"], "--out"),
        (["export", "everything", "--out", "x"], "everything"),
        (["replica", "--port", "70000"], "70000"),
        (["replica", "--json"], "--json"),
        (["replica", "--world", "/absent_logs.json.gz"], "absent"),
        (["sync", "-w"], "-w"),
    ],
)
def test_wrong_use_is_one_paragraph_and_exit_code_2(arguments: list[str], part: str, tmp_path: Path) -> None:
    done = run(*arguments, POLYLEDGER_WORKSPACE=str(tmp_path))
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert part.lower() in done.stderr.lower()
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_unknown_settings_are_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "polyledger.toml").write_text("[chain]\nrcp_url = 'x'\n")
    done = run("-w", tmp_path, "doctor")
    assert done.returncode == 2
    assert "chain.rpc_url" in done.stderr
    done = run("-w", tmp_path / "other", "doctor", POLYLEDGER_CHAIN__RPCURL="x")
    assert done.returncode == 2
    assert "POLYLEDGER_CHAIN__RPC_URL" in done.stderr


def test_help_goes_to_standard_output() -> None:
    for arguments in ([], ["--help"], ["coverage", "--help"]):
        done = run(*arguments)
        assert done.returncode == 0
        assert "--workspace" in done.stdout
        assert done.stderr == ""


def test_the_workspace_option_may_stand_before_and_after_the_command(tmp_path: Path) -> None:
    for arguments in (["-w", tmp_path, "doctor", "--json"], ["doctor", "--json", "--workspace", tmp_path]):
        done = run(*arguments, **CLOSED)
        assert done.returncode == 1
        document = json.loads(done.stdout)
        assert document["schema"] == "polyledger.doctor/1"
        assert str(tmp_path) in str(document["findings"])
        assert document["ok"] is False


@pytest.mark.parametrize("arguments", [["version"], ["doctor"], ["doctor", "--json"]])
def test_a_reader_that_goes_away_is_no_error(arguments: list[str]) -> None:
    with subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**CLOSED),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=10) == 0


@pytest.mark.long
def test_no_color_is_honoured(tmp_path: Path) -> None:
    forced = {**CLOSED, "FORCE_COLOR": "1", "TERM": "xterm-256color"}
    assert "\x1b[3" in run("-w", tmp_path, "doctor", **forced).stdout
    assert "\x1b[3" not in run("-w", tmp_path, "doctor", **forced, NO_COLOR="1").stdout
    assert "\x1b" not in run("-w", tmp_path, "doctor", **CLOSED).stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_replica_serves_until_it_is_stopped(number: signal.Signals) -> None:
    with subprocess.Popen(
        [*COMMAND, "replica", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        url = process.stdout.readline().strip()
        with urlopen(f"{url}/stats", timeout=10) as answer:  # noqa: S310  (our own process on the loopback interface)
            assert answer.status == 200
        process.send_signal(number)
        assert process.wait(timeout=10) == 0
        assert "Traceback" not in process.stderr.read()


def test_a_taken_port_is_an_error_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run("replica", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "--port" in done.stderr


def test_a_demo_into_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("keep")
    done = run("demo", "--keep", tmp_path)
    assert done.returncode == 2
    assert str(tmp_path) in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["mine"]
