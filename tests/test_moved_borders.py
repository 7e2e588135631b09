"""The first and the last block of a ledger change later; and the raw answers of the chain are kept on request."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from tests.refusals import copy_of, long
from tests.worlds import (
    FIRST_BLOCK,
    assert_equal_ledgers,
    exports,
    stats,
    sync,
    workspace_at,
    world_of,
)

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
def test_earlier_blocks_that_come_later(name: str, devworld: Path, url: str, tmp_path: Path) -> None:
    for first, last in STEPS[name]:
        chain = {"from_block": first} if last is None else {"from_block": first, "to_block": last}
        assert sync(tmp_path, url, chain=chain)["state"] == "done"
    # The rest, to the end, whatever lay above the last step.
    report = sync(tmp_path, url)
    assert (report["state"], report["from_block"], report["unbalanced"]) == ("done", FIRST_BLOCK, 0)
    assert_equal_ledgers(exports(tmp_path), exports(devworld))
    with workspace_at(tmp_path, url) as workspace:
        assert workspace.verify().document["ok"] is True


@pytest.mark.long
def test_sums_that_were_folded_count_earlier_blocks_too(devworld: Path, url: str, tmp_path: Path) -> None:
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
    assert_equal_ledgers(exports(tmp_path), exports(devworld))


def test_a_last_block_below_what_is_there_changes_nothing(devworld: Path, url: str, tmp_path: Path) -> None:
    workspace = copy_of(devworld, tmp_path)
    stats(url, reset=True)
    report = sync(workspace, url, chain={"to_block": 52_000_100})
    assert (report["state"], set(report["rows"].values())) == ("done", {0})
    assert "eth_getLogs" not in stats(url)["rpc"]["calls"]
    assert_equal_ledgers(exports(workspace), exports(devworld))


@pytest.mark.long
def test_raw_answers_of_the_chain_are_kept_on_request(devworld: Path, url: str, tmp_path: Path) -> None:
    from polyledger.store.evidence import evidence_path, read_body

    assert sync(tmp_path, url, evidence={"keep": "all"})["state"] == "done"
    assert_equal_ledgers(exports(tmp_path), exports(devworld))
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
    with duckdb.connect(str(devworld / "ledger.duckdb"), read_only=True) as connection:
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
