"""doctor --probe against a replica and against broken sources; the plan reckons with what was found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from polyledger.config import Settings
from polyledger.domain.records import Kind
from polyledger.replica import load_world, parse_faults, serve
from polyledger.sources.lookups import MARKET, Capability, Walk
from polyledger.store.database import Database
from polyledger.store.new_ledger import LEDGER_FILE
from polyledger.store.probed import read_probe
from polyledger.sync.measured import Measured
from polyledger.sync.probe import probe
from polyledger.workspace import Workspace

CLOSED = "http://127.0.0.1:1"


def settings(url: str, **changes: Any) -> Settings:
    sources = {"gamma": "gamma", "clob": "clob", "data_api": "data", "subgraph": "subgraph"}
    sections = {name: {"url": changes.get(name, f"{url}/{path}")} for name, path in sources.items()}
    return Settings(chain={"rpc_url": f"{url}/rpc"}, **sections)


def by_source(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["source"]: one for one in document["sources"]}


def test_every_source_is_measured_within_twenty_requests() -> None:
    with serve(load_world()) as url:
        sources = by_source(probe(settings(url)))
    assert set(sources) == {"gamma", "clob", "data_api", "subgraph", "chain"}
    for one in sources.values():
        assert one["error"] is None
        assert 0 < one["requests"] <= 20
        assert all(step["ok"] for step in (*one["lookups"], *one["walks"]))
        assert all(step["seconds"] > 0 for step in one["lookups"])
    batches = {(name, step["kind"]): step["batch"] for name, one in sources.items() for step in one["lookups"]}
    assert batches["gamma", "market"] == 98
    assert batches["gamma", "token"] == 84
    assert (batches["data_api", "token"], batches["data_api", "resolution"]) == (50, 20)
    assert batches["clob", "market"] == 1
    assert all(step["found"] > 0 for one in sources.values() for step in one["lookups"] if step["kind"] == "token")
    assert {walk["name"] for walk in sources["gamma"]["walks"]} >= {"markets-closed", "markets-open"}
    assert sources["subgraph"]["freshness"]["block"] > 0
    assert sources["chain"]["freshness"]["lag_seconds"] >= 0


def test_a_source_that_is_away_is_a_result_and_stops_no_other() -> None:
    with serve(load_world()) as url:
        sources = by_source(probe(settings(url, gamma=CLOSED)))
    assert "cannot be reached" in sources["gamma"]["error"]
    assert sources["clob"]["error"] is None
    assert next(step for step in sources["data_api"]["lookups"] if step["kind"] == "token")["found"] > 0


def test_the_result_is_kept_in_the_ledger_and_read_by_the_plan(tmp_path: Path) -> None:
    with serve(load_world(), faults=parse_faults({})) as url:
        workspace = Workspace(tmp_path, settings(url))
        assert workspace.probe()["stored"] is False
        Database(tmp_path / LEDGER_FILE, read_only=False, memory_limit="500MB", threads=1).close()
        document = workspace.probe()
    assert document["stored"] is True
    assert json.dumps(document)
    database = Database(tmp_path / LEDGER_FILE, read_only=True, memory_limit="500MB", threads=1)
    try:
        assert read_probe(database) == document["probe"]
        assert Measured.of(database).seconds("gamma") is not None
    finally:
        database.close()


@pytest.mark.parametrize(("days", "batch"), [(1, 25), (30, 50)])
def test_measured_batches_and_pages_replace_documented_ones_while_they_are_fresh(days: int, batch: int) -> None:
    steps = {"kind": "token", "batch": 25, "asked": 25, "found": 25, "seconds": 0.5, "ok": True, "error": None}
    walks = {"name": "markets", "page": 500, "seconds": 2.0, "more": True, "ok": True, "error": None}
    source = {"source": "data_api", "lookups": [steps], "walks": [walks]}
    found = Measured({"at": 0.0, "sources": [source]}, now=days * 86_400.0)
    capability = Capability("data_api", Kind.TOKEN, 50, frozenset({MARKET}))
    assert found.capability(capability).batch == batch
    assert found.walk(Walk("data_api", "markets", Kind.MARKET, 1_000, frozenset())).page == (
        500 if days == 1 else 1_000
    )
    assert found.seconds("data_api") == (0.5 if days == 1 else None)
    assert Measured().capability(capability) == capability
