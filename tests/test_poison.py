"""A look-up that answered one wrong market for everything, as a file and as a live source: none of it is believed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.paths import real_file
from tests.real_world import real_world, records, write_rows
from tests.worlds import COMMAND, command_environment, replica_of

WALLET = "0x" + "12" * 20


def run(folder: Path, *arguments: object, url: str = "http://127.0.0.1:9", **variables: str) -> Any:
    """The document that a command prints; it must succeed."""
    done = subprocess.run(
        [*COMMAND, "-w", str(folder), *map(str, arguments), "--json"],
        capture_output=True,
        text=True,
        timeout=300,
        env={**command_environment(url), **variables},
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    return json.loads(done.stdout)


def test_as_a_file_none_of_its_rows_is_a_market_and_one_report_names_the_pattern(tmp_path: Path) -> None:
    poisoned, ledger = real_file("poisoned_lookup.jsonl.gz"), tmp_path / "ledger"
    (file,) = run(ledger, "import", "--as", "mapping", poisoned)["files"]
    assert (file["imported"], file["claims"]["quarantined"]) == (15_733, 15_733)
    assert file["patterns"] == ['15,733 conditions all have market id "12"']
    said = run(ledger, "conflicts")
    assert said["conflicts"] == []
    (aside,) = said["quarantines"]
    assert (aside["source"], aside["keys"]) == ("file:poisoned_lookup.jsonl.gz", 15_733)
    assert aside["pattern"] == file["patterns"][0]
    out = tmp_path / "mapping.json"
    run(ledger, "export", "mapping", "--out", out)
    assert json.loads(out.read_text())["market_id_lookup_results"] == {}
    explained = run(ledger, "explain", "12")
    assert (explained["value"], explained["verdict"]) == (None, "unknown")
    assert not any(claim["won"] for claim in explained["claims"])


def test_every_wrong_outcome_index_of_a_file_is_corrected_by_proof(tmp_path: Path) -> None:
    """Published pairs and the order of their tokens are the judge, where they overlap; derivation for the rest."""
    ledger, wrong = tmp_path / "ledger", records("token_mappings_bad_index.jsonl.gz")
    run(ledger, "import", "--as", "mapping", real_file("token_mappings_bad_index.jsonl.gz"))
    query = (
        "SELECT t.token_id, '0x' || lower(hex(c.condition_id)), t.outcome_index FROM dim.tokens AS t "
        "JOIN dim.conditions AS c ON c.condition = t.condition"
    )
    rows = run(ledger, "sql", query)["rows"]
    links = {token: (condition, index) for token, condition, index in rows}
    assert len(wrong) == 498
    assert all(links[row["token_id"]][0] == row["condition_id"] for row in wrong)
    assert {links[row["token_id"]][1] for row in wrong} == {0, 1}
    siblings: dict[str, set[int]] = {}
    for condition, index in (links[row["token_id"]] for row in wrong):
        siblings.setdefault(condition, set()).add(index)
    pairs = sum(len(found) for found in siblings.values())
    assert pairs == len({row["token_id"] for row in wrong})  # no two tokens of a condition have the same outcome
    published = {
        token: (row["condition_id"], index)
        for row in records("pairs.jsonl.gz")
        for index, token in enumerate(row["token_ids"])
    }
    overlap = [row["token_id"] for row in wrong if row["token_id"] in published]
    assert all(links[token] == published[token] for token in overlap)


@pytest.mark.long
@pytest.mark.parametrize("echoes", [False, True])
def test_as_a_live_source_none_of_its_answers_is_a_market(echoes: bool, tmp_path: Path) -> None:
    """Trades of the 15,733 conditions; Gamma answers each of them with market 12, bare or under the id asked for."""
    conditions = [row["condition_id"] for row in records("poisoned_lookup.jsonl.gz")]
    trades = [
        {"wallet": WALLET, "side": "BUY", "size": 1, "price": 0.5, "timestamp": 1_700_000_000, "condition_id": one}
        for one in conditions
    ]
    file = write_rows(tmp_path / "trades.jsonl", trades)
    world = real_world(tmp_path / "world", lambda _: False, first_market=12)
    theirs = records("clob_markets.jsonl.gz")[0]["condition_id"]
    lies = {"one_market": theirs, "one_market_of": ["gamma"], "one_market_echoes": echoes}
    ledger = tmp_path / "ledger"
    with replica_of(world, {"markets": lies}) as url:
        given = {"url": url, "POLYLEDGER_CHAIN__FROM_BLOCK": str(world.to_block)}
        run(ledger, "import", file, **given)
        report = run(ledger, "sync", "--only", "gamma", **given)
        said = run(ledger, "conflicts", **given)
        markets = run(ledger, "sql", "SELECT count(*) FROM markets WHERE market_id IS NOT NULL", **given)["rows"]
    assert markets == [[0]]
    assert report["coverage"]["trades"]["market"] == 0
    assert report["coverage"]["trades"]["total"] == 15_733
    assert report["requests"]["gamma"] < 1_000
    assert {one["source"] for one in said["quarantines"]} == {"gamma"}
    patterns = {one["pattern"] for one in said["quarantines"]}
    assert all('"12"' in pattern or "other keys than those asked for" in pattern for pattern in patterns), patterns
