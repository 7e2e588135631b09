"""Lists that are walked instead of asking key by key: when other sources fail, and after an interruption."""

from __future__ import annotations

import base64
import functools
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from bench.market_world import MarketWorld, generate

from polyledger.replica import World, load_world
from polyledger.store.database import Database
from tests.worlds import replica_of, stats, workspace_at

CONDITIONS, PAGE = 3_000, 1_000
DEAD = "http://127.0.0.1:9"
NAMED = "SELECT count(*) FROM markets WHERE question IS NOT NULL"
OFF = {"enabled": False}


@functools.cache
def generated() -> MarketWorld:
    return generate(CONDITIONS)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> World:
    return load_world(generated().write(tmp_path_factory.mktemp("world"), "walks"))


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """The conditions of the world in imported trades; the CLOB's list is known to be as long as they are."""
    trades = tmp_path / "trades.parquet"
    pq.write_table(generated().trades(by="condition_id"), trades)
    folder = tmp_path / "ledger"
    with workspace_at(folder, DEAD, chain=OFF) as workspace:
        workspace.import_trades([trades])
    keep(folder, "walk_rows:clob:markets", str(CONDITIONS))
    return folder


def keep(folder: Path, name: str, value: str) -> None:
    database = Database(folder / "ledger.duckdb", read_only=False, memory_limit=None, threads=1)
    with database.transaction():
        database.set_setting(name, value)
    database.close()


def kept(folder: Path, name: str) -> str | None:
    database = Database(folder / "ledger.duckdb", read_only=True, memory_limit=None, threads=1)
    try:
        return database.setting(name)
    finally:
        database.close()


def test_what_a_dead_source_leaves_over_is_taken_from_a_list(served: World, ledger: Path) -> None:
    with replica_of(served) as url:
        others = {"chain": OFF, "data_api": OFF, "subgraph": OFF, "gamma": {"url": DEAD}}
        with workspace_at(ledger, url, **others) as workspace:
            assert workspace.plan(only=["markets"]).document["stages"][0]["source"] == "gamma"
            report = workspace.sync(only=["markets"])
            assert report["state"] == "partial"
            assert "gamma" in report["message"]
            assert workspace.sql(NAMED).document["rows"] == [[CONDITIONS]]
            actions = {(stage["source"], stage["action"]) for stage in workspace.status()["stages"]}
        assert ("clob", "walk-markets") in actions
        assert stats(url)["requests"]["clob"] < 50


def test_an_interrupted_walk_sees_what_lies_before_its_cursor_too(served: World, ledger: Path) -> None:
    keep(ledger, "walk_cursor:clob:markets", base64.b64encode(str(2 * PAGE).encode()).decode())
    with replica_of(served) as url:
        with workspace_at(ledger, url, chain=OFF, data_api=OFF, subgraph=OFF, gamma=OFF) as workspace:
            assert workspace.plan(only=["markets"]).document["stages"][0]["action"] == "walk-markets"
            assert workspace.sync(only=["markets"])["state"] == "done"
            assert workspace.sql(NAMED).document["rows"] == [[CONDITIONS]]
        assert stats(url)["requests"]["clob"] == CONDITIONS // PAGE
    assert kept(ledger, "walk_cursor:clob:markets") == ""
