"""The commands on a real workspace: what they print, as text and as JSON, and how they end."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from polyledger.ledger.check_titles import title
from polyledger.replica import load_world, serve
from tests.test_cli_process import COMMAND, environment
from tests.test_cli_process import run as run_as_process
from tests.worlds import run_here as run


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("demo") / "ledger"
    # A variable of the person who tries it must not lead the demo elsewhere.
    done = run_as_process("demo", "--keep", folder, "--json", POLYGON_RPC_URL="http://127.0.0.1:1")
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.fixture(scope="module")
def workspace(demo: dict[str, Any]) -> Path:
    return Path(demo["workspace"])


@pytest.fixture(scope="module")
def replica() -> Iterator[str]:
    with serve(load_world()) as url:
        yield url


def document(workspace: Path, *arguments: str | Path) -> dict[str, Any]:
    done = run("-w", workspace, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    loaded: dict[str, Any] = json.loads(done.stdout)
    return loaded


def test_the_demo_fetches_everything_and_its_books_balance(demo: dict[str, Any]) -> None:
    assert demo["schema"] == "polyledger.demo/1"
    assert demo["sync"]["state"] == "done"
    assert demo["coverage"]["trades"]["total"] == 2000
    assert demo["verify"]["ok"]
    assert len(demo["wallets"]) == 20


def test_the_demo_as_text_fits_and_names_what_to_try_next() -> None:
    done = run("demo")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    for heading in ("What was fetched", "Coverage", "The books", "Best and worst", "What to try next"):
        assert any(line.startswith(heading) for line in lines), heading
    exported = next(line for line in lines if line.startswith("export POLYLEDGER_WORKSPACE="))
    folder = exported.partition("=")[2]
    suggested = next(line for line in lines if "polyledger wallet 0x" in line)
    assert run("wallet", suggested.split()[-1], POLYLEDGER_WORKSPACE=folder).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "schema"),
    [
        (["coverage"], "coverage/1"),
        (["coverage", "--by", "category"], "coverage/1"),
        (["wallets"], "wallets/1"),
        (["wallets", "--method", "average-cost", "--era", "v1"], "wallets/1"),
        (["verify"], "verify/1"),
        (["status"], "status/1"),
    ],
)
def test_documents_and_text(workspace: Path, arguments: list[str], schema: str) -> None:
    assert document(workspace, *arguments)["schema"] == f"polyledger.{schema}"
    done = run("-w", workspace, *arguments)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_every_check_has_words_for_people(demo: dict[str, Any]) -> None:
    for check in demo["verify"]["checks"]:
        assert title(check["name"]) != check["name"].replace("_", " "), check["name"]


def test_wallets_are_ordered_limited_and_filtered(workspace: Path) -> None:
    rows = document(workspace, "wallets", "--order-by", "volume", "--limit", "3")["wallets"]
    volumes = [Decimal(row["volume"]) for row in rows]
    assert len(rows) == 3
    assert volumes == sorted(volumes, reverse=True)
    assert document(workspace, "wallets", "--min-coverage", "1")["wallets"] != rows


def test_one_wallet(workspace: Path, demo: dict[str, Any]) -> None:
    address = demo["wallets"][0]["wallet"]
    one = document(workspace, "wallet", address)
    assert one["schema"] == "polyledger.wallet/1"
    assert one["realized_pnl"] == demo["wallets"][0]["realized_pnl"]
    assert one["positions"]
    text = run("-w", workspace, "wallet", address.upper().replace("0X", "0x")).stdout
    assert address in text


@pytest.mark.parametrize(
    "arguments", [["wallet", "0x12"], ["wallet", "0x" + "12" * 20], ["explain", "hello"], ["explain", "0x" + "12" * 32]]
)
def test_ids_that_are_malformed_or_unknown_are_exit_code_2(workspace: Path, arguments: list[str]) -> None:
    done = run("-w", workspace, *arguments)
    assert done.returncode == 2
    assert arguments[1] in done.stderr
    assert "Traceback" not in done.stderr


def test_coverage_below_what_was_asked_is_exit_code_3(workspace: Path) -> None:
    assert run("-w", workspace, "coverage", "--fail-under", "0.95").returncode == 0
    done = run("-w", workspace, "coverage", "--fail-under", "0.95", "--of", "resolution")
    assert done.returncode == 3
    assert "resolution" in done.stderr


def test_explain_a_condition(workspace: Path, demo: dict[str, Any]) -> None:
    one = document(workspace, "wallet", demo["wallets"][0]["wallet"])
    condition = next(p["condition"] for p in one["positions"] if "condition" in p)
    explained = document(workspace, "explain", condition)
    assert explained["schema"] == "polyledger.explain/1"
    assert run("-w", workspace, "explain", condition).returncode == 0


@pytest.mark.parametrize(
    "ending", ["parquet", *(pytest.param(ending, marks=pytest.mark.long) for ending in ("csv", "jsonl"))]
)
def test_an_export_never_overwrites_without_force(workspace: Path, tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"fills.{ending}"
    exported = document(workspace, "export", "fills", "--out", file)
    assert exported["rows"] == 2000
    first = file.read_bytes()
    refused = run("-w", workspace, "export", "fills", "--out", file)
    assert refused.returncode == 2
    assert str(file) in refused.stderr
    assert run("-w", workspace, "export", "fills", "--out", file, "--force").returncode == 0
    assert file.read_bytes() == first


def test_sql_reads_and_only_reads(workspace: Path) -> None:
    done = run("-w", workspace, "sql", "SELECT count(*) AS n FROM fills")
    assert done.returncode == 0, done.stderr
    assert "2000" in done.stdout
    assert "2000" in json.dumps(document(workspace, "sql", "SELECT count(*) AS n FROM fills"))
    for query in ("DROP VIEW fills", "SELECT * FROM read_csv('/etc/passwd')", "SELEC 1", "SELECT * FROM absent"):
        refused = run("-w", workspace, "sql", query)
        assert refused.returncode == 2, (query, refused.stderr)
        assert "Traceback" not in refused.stderr


def test_init_then_sync_then_nothing_to_do(tmp_path: Path, replica: str) -> None:
    folder = tmp_path / "ledger"
    assert run("-w", folder, "init").returncode == 0
    text = (folder / "polyledger.toml").read_text()
    assert run("-w", folder, "init").returncode == 0  # what somebody wrote into it stays
    assert (folder / "polyledger.toml").read_text() == text
    urls = {
        "POLYGON_RPC_URL": f"{replica}/rpc",
        "POLYLEDGER_GAMMA__URL": f"{replica}/gamma",
        "POLYLEDGER_CLOB__URL": f"{replica}/clob",
        "POLYLEDGER_DATA_API__URL": f"{replica}/data",
        "POLYLEDGER_SUBGRAPH__URL": f"{replica}/subgraph",
    }
    done = run("-w", folder, "sync", "--from", "52000000", "--json", **urls)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state"] == "done"
    assert done.stderr  # progress, as plain lines
    assert "\r" not in done.stderr
    first = json.loads(done.stdout)
    again = json.loads(run("-w", folder, "sync", "--from", "52000000", "--json", **urls).stdout)
    assert not any(again["rows"].values())
    assert again["coverage"] == first["coverage"]
    assert again["requests"]["chain"] <= 4  # chain id, head, finalized, border: the head check
    assert sum(again["requests"].values()) == again["requests"]["chain"]


def test_from_past_to_is_exit_code_2(tmp_path: Path) -> None:
    assert run("-w", tmp_path, "init").returncode == 0
    done = run("-w", tmp_path, "sync", "--from", "10", "--to", "9")
    assert done.returncode == 2
    assert "10" in done.stderr


def test_no_endpoint_is_exit_code_75(tmp_path: Path) -> None:
    assert run("-w", tmp_path, "init").returncode == 0
    done = run("-w", tmp_path, "sync", "--rpc-url", "http://127.0.0.1:1")
    assert done.returncode == 75, done.stderr
    assert "127.0.0.1:1" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.long
def test_an_interrupted_sync_says_what_is_saved_and_what_goes_on(tmp_path: Path, number: signal.Signals) -> None:
    from polyledger.replica import parse_faults

    slow = parse_faults({"rpc": {"max_block_range": 10}, "http": {"latency_seconds": 0.2}})
    with serve(load_world(), faults=slow) as url:
        more = {"POLYGON_RPC_URL": f"{url}/rpc", "POLYLEDGER_CHAIN__FROM_BLOCK": "52000000"}
        more |= {"POLYLEDGER_GAMMA__URL": f"{url}/gamma", "POLYLEDGER_CLOB__URL": f"{url}/clob"}
        assert run("-w", tmp_path, "init").returncode == 0
        with subprocess.Popen(
            [*COMMAND, "-w", str(tmp_path), "sync"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(**more),
        ) as process:
            assert process.stderr is not None
            process.stderr.readline()  # it is under way
            process.send_signal(number)
            last = process.stderr.read().strip().splitlines()[-1]
            assert process.wait(timeout=30) == 130
    assert "saved" in last
    assert f"-w {tmp_path} sync" in last
    with serve(load_world()) as url:
        more |= {"POLYGON_RPC_URL": f"{url}/rpc", "POLYLEDGER_GAMMA__URL": f"{url}/gamma"}
        done = run("-w", tmp_path, "sync", "--json", **more, POLYLEDGER_CLOB__ENABLED="0")
    assert done.returncode == 0, done.stderr
    assert document(tmp_path, "coverage")["trades"]["total"] == 2000
