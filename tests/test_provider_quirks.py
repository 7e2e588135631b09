"""Whatever a node does to its clients, the ledger is the same."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.worlds import (
    COMMAND,
    HEAD_CHECK,
    assert_equal_ledgers,
    command_environment,
    exports,
    replica_of,
    stats,
    sync,
    workspace_at,
    world_of,
)

FAILING = {"too_many_requests": 0.15, "server_errors": 0.10, "resets": 0.05, "truncated": 0.10}
REFUSALS = ("alchemy", "infura", "decimal", "geth", "thousands", "wide", "exceed", "drpc", "limited", "generic")

long = pytest.mark.long


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The ledger through a node without any quirk."""
    folder = tmp_path_factory.mktemp("plain")
    with replica_of(world_of()) as url:
        assert sync(folder, url)["state"] == "done"
    return exports(folder)


CASES = [
    pytest.param({"rpc": {"max_block_range": 10, "range_refusal": "limited"}}, id="ten-blocks"),
    pytest.param({"rpc": {"max_logs": 1000}}, id="a-thousand-logs"),
    pytest.param({"http": FAILING, "rpc": {"max_block_range": 40}}, id="failing"),
    *(
        pytest.param({"rpc": {"max_block_range": 50, "range_refusal": style}}, id=f"refusal-{style}", marks=long)
        for style in REFUSALS
    ),
    pytest.param({"rpc": {"max_logs": 150, "logs_refusal": "generic"}}, id="tiny-answers", marks=long),
    pytest.param({"rpc": {"max_logs": 500, "logs_refusal": "decimal"}}, id="decimal-suggestion", marks=long),
    pytest.param({"rpc": {"unordered_batches": True, "max_block_range": 30}}, id="unordered", marks=long),
    pytest.param({"rpc": {"null_results": 0.2, "max_block_range": 30}}, id="null-results", marks=long),
    pytest.param({"rpc": {"throttled_members": 0.2, "max_block_range": 30}}, id="throttled-members", marks=long),
    pytest.param({"rpc": {"lag_rate": 0.4, "lag_blocks": 300, "max_block_range": 30}}, id="lagging", marks=long),
    pytest.param(
        {"rpc": {"lag_rate": 0.4, "lag_blocks": 300, "max_block_range": 30, "past_head": "error"}},
        id="lagging-with-errors",
        marks=long,
    ),
    pytest.param({"rpc": {"missing_methods": ["eth_getBlockReceipts"]}}, id="no-block-receipts", marks=long),
    pytest.param({"rpc": {"logs_bloom": False, "max_block_range": 20}}, id="no-bloom", marks=long),
    pytest.param({"rpc": {"block_timestamps": False}}, id="no-timestamps", marks=long),
    pytest.param({"rpc": {"max_batch": 3, "max_block_range": 60}}, id="small-batches", marks=long),
    pytest.param({"http": {"html": 0.2, "sources": ["rpc"]}, "rpc": {"max_block_range": 40}}, id="html", marks=long),
    pytest.param({"http": {**FAILING, "retry_after": "date"}, "seed": 3}, id="failing-with-dates", marks=long),
    pytest.param({"http": {"down": [[3, 6]]}, "rpc": {"max_block_range": 60}}, id="down-for-a-while", marks=long),
    pytest.param(
        {
            "seed": 11,
            "http": {**FAILING, "html": 0.05},
            "rpc": {
                "max_block_range": 25, "max_logs": 600, "null_results": 0.05, "throttled_members": 0.05,
                "unordered_batches": True, "lag_rate": 0.1, "lag_blocks": 50, "block_timestamps": False,
                "logs_bloom": False,
            },
        },
        id="everything-at-once",
        marks=long,
    ),
]  # fmt: skip


@pytest.mark.parametrize("faults", CASES)
def test_the_ledger_is_the_same(faults: dict[str, Any], plain: dict[str, bytes], tmp_path: Path) -> None:
    with replica_of(world_of(), faults) as url:
        report = sync(tmp_path, url)
        for _ in range(4):
            if report["to_block"] == world_of().to_block:
                break
            report = sync(tmp_path, url)  # the head was asked of a node that lags: the next run sees further
        assert (report["to_block"], report["state"]) == (world_of().to_block, "done")
        assert report["unbalanced"] == 0
        if faults == {"rpc": {"max_block_range": 10, "range_refusal": "limited"}}:
            # 53 ranges of ten blocks; a quarter more for learning the limit and for second looks.
            assert stats(url)["requests"]["rpc"] < 53 * 1.25 + 10
    assert_equal_ledgers(exports(tmp_path), plain)


@long
def test_without_receipts_a_full_view_of_transfers_balances(plain: dict[str, bytes], tmp_path: Path) -> None:
    faults = {"rpc": {"missing_methods": ["eth_getTransactionReceipt", "eth_getBlockReceipts"]}}
    with replica_of(world_of(), faults) as url:
        report = sync(tmp_path, url, chain={"collateral_transfers": "all"})
        assert (report["state"], report["unbalanced"]) == ("done", 0)
        with workspace_at(tmp_path, url) as workspace:
            assert workspace.verify().document["ok"] is True
    # Transfers that touch nothing of the protocol come on top in the journal; all else is the same.
    held = exports(tmp_path)
    for what in ("fills", "conditions", "markets", "positions"):
        assert held[what] == plain[what], what


def test_a_node_without_receipts_is_said_to_be_so(tmp_path: Path) -> None:
    faults = {"rpc": {"missing_methods": ["eth_getTransactionReceipt", "eth_getBlockReceipts"]}}
    with replica_of(world_of(), faults) as url:
        report = sync(tmp_path, url, gamma={"enabled": False}, clob={"enabled": False})
        assert report["state"] == "done"
        with workspace_at(tmp_path, url) as workspace:
            checks = {check["name"]: check for check in workspace.verify().document["checks"]}
        # The books do not hide what could not be seen: either nothing is missing, or the transactions are named.
        assert (report["unbalanced"] == 0) == (checks["transactions_balance"]["status"] == "ok")
        assert checks["transactions_balance"]["failed"] == 0 or checks["transactions_balance"]["examples"]


@long
def test_without_the_finalized_tag_the_last_128_blocks_wait(plain: dict[str, bytes], tmp_path: Path) -> None:
    world = world_of()
    with replica_of(world, {"rpc": {"finalized": False}}) as url:
        assert sync(tmp_path, url)["to_block"] == world.to_block - 128
        assert sync(tmp_path, url, chain={"to_block": "latest"})["to_block"] == world.to_block
        assert_equal_ledgers(exports(tmp_path), plain)


def test_a_second_run_makes_the_head_check_and_nothing_else(plain: dict[str, bytes], tmp_path: Path) -> None:
    with replica_of(world_of()) as url:
        sync(tmp_path, url)
        stats(url, reset=True)
        report = sync(tmp_path, url)
        assert report["state"] == "done"
        asked = stats(url)
        assert set(asked["requests"]) == {"rpc"}
        assert set(asked["rpc"]["calls"]) <= HEAD_CHECK
        assert asked["requests"]["rpc"] <= 4
        assert asked["rpc"]["logs"] == 0
        assert_equal_ledgers(exports(tmp_path), plain)


def test_market_services_may_be_switched_off_and_come_later(plain: dict[str, bytes], tmp_path: Path) -> None:
    off = {"enabled": False}
    with replica_of(world_of()) as url:
        report = sync(tmp_path, url, gamma=off, clob=off)
        assert report["state"] == "done"
        assert set(stats(url, reset=True)["requests"]) == {"rpc"}
        held = exports(tmp_path)
        assert (held["fills"], held["journal"], held["positions"]) == (
            plain["fills"], plain["journal"], plain["positions"],
        )  # fmt: skip
        assert held["markets"].count(b"\n") == 1
        assert report["coverage"]["trades"]["market"] == 0
        assert sync(tmp_path, url)["state"] == "done"
        assert "eth_getLogs" not in stats(url)["rpc"]["calls"]
        assert_equal_ledgers(exports(tmp_path), plain)


@pytest.mark.parametrize(
    "gamma",
    [pytest.param("{url}/nowhere", id="wrong"), pytest.param("http://127.0.0.1:1", id="unreachable", marks=long)],
)
@pytest.mark.long
def test_a_market_service_that_fails_makes_the_run_partial(gamma: str, plain: dict[str, bytes], tmp_path: Path) -> None:
    with replica_of(world_of()) as url:
        environment = {
            **command_environment(url),
            "POLYLEDGER_GAMMA__URL": gamma.format(url=url),
            "POLYLEDGER_CLOB__ENABLED": "false",
        }
        command = [*COMMAND, "-w", str(tmp_path), "sync"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
        assert done.returncode == 4, done.stderr
        assert "Traceback" not in done.stderr
        assert "gamma" in done.stderr
        last = done.stderr.strip().splitlines()[-1]
        assert "saved" in last
        assert last.endswith(f"-w {tmp_path} sync")
        held = exports(tmp_path)
        assert held["journal"] == plain["journal"]
        stats(url, reset=True)
        assert sync(tmp_path, url)["state"] == "done"
        assert "eth_getLogs" not in stats(url)["rpc"]["calls"]
    assert_equal_ledgers(exports(tmp_path), plain)
