"""The doctor, against real servers: good, limited, wrong and absent ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from polyledger.config import Settings
from polyledger.replica import Faults, load_world, parse_faults, serve
from polyledger.replica.world import World
from polyledger.sync.doctor import examine

CLOSED = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def world() -> World:
    return load_world()


@pytest.fixture(scope="module")
def replica(world: World) -> Iterator[str]:
    with serve(world) as url:
        yield url


def settings(url: str, *, endpoints: str | None = None, **chain: Any) -> Settings:
    return Settings(
        chain={"rpc_url": endpoints or f"{url}/rpc", **chain},
        gamma={"url": f"{url}/gamma"},
        clob={"url": f"{url}/clob"},
    )


def findings(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [finding for finding in document["findings"] if finding["name"] == name]


def test_all_is_well(replica: str, world: World, tmp_path: Path) -> None:
    document = examine(tmp_path, settings(replica))
    assert document["schema"] == "polyledger.doctor/1"
    assert document["ok"]
    endpoint = document["endpoints"][0]
    assert endpoint["reachable"]
    assert endpoint["chain_id"] == 137
    assert endpoint["head"] == endpoint["finalized"] == world.to_block
    assert endpoint["log_range"] == 10_000
    assert endpoint["latency_ms"] > 0
    assert [e["source"] for e in document["endpoints"]] == ["chain", "gamma", "clob"]
    assert {f["name"] for f in document["findings"]} >= {"python", "engine", "memory", "disk", "folder"}


def test_every_finding_that_is_not_ok_comes_with_a_fix(tmp_path: Path) -> None:
    document = examine(tmp_path / "absent", settings(CLOSED))
    assert not document["ok"]
    bad = [finding for finding in document["findings"] if finding["status"] != "ok"]
    assert bad
    assert all(finding["fix"] for finding in bad)
    assert findings(document, "reachable")[0]["status"] == "failed"
    # Names of markets can wait, blocks cannot.
    assert [finding["status"] for finding in findings(document, "reachable")[1:]] == ["warning", "warning"]


def test_a_node_with_narrow_ranges_and_without_the_finalized_tag(world: World, tmp_path: Path) -> None:
    faults: Faults = parse_faults({"rpc": {"max_block_range": 10, "finalized": False}})
    with serve(world, faults=faults) as url:
        document = examine(tmp_path, settings(url))
    endpoint = document["endpoints"][0]
    assert endpoint["log_range"] == 10
    assert endpoint["finalized_known"] is False
    assert endpoint["finalized"] is None
    assert document["ok"]
    assert findings(document, "log range")[0]["status"] == "warning"


def test_another_chain_fails(replica: str, tmp_path: Path) -> None:
    document = examine(tmp_path, settings(replica, chain_id=80002))
    assert not document["ok"]
    assert "137" in findings(document, "chain id")[0]["value"]
    assert "80002" in findings(document, "chain id")[0]["fix"]


def test_an_endpoint_that_is_not_json_rpc_fails(replica: str, tmp_path: Path) -> None:
    document = examine(tmp_path, settings(replica, endpoints=f"{replica}/gamma/markets/keyset"))
    assert not document["ok"]
    assert "JSON-RPC" in findings(document, "reachable")[0]["fix"]


def test_one_dead_endpoint_of_two_is_a_warning_and_its_key_is_masked(replica: str, tmp_path: Path) -> None:
    document = examine(tmp_path, settings(replica, endpoints=f"{CLOSED}/v2/hunter2hunter2,{replica}/rpc"))
    assert document["ok"]
    assert findings(document, "reachable")[0]["status"] == "warning"
    assert "hunter2" not in str(document)
