"""Which fills on chain imported rows are: found by whatever the rows say, each fill once, nothing guessed."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from polyledger.workspace import Workspace
from tests.trade_files import write_jsonl, write_parquet
from tests.worlds import replica_of, sync, workspace_at, world_of

FILLS = "SELECT * FROM fills ORDER BY block, log_index"
MATCHES = """
SELECT t.row_number, t.file, f.block, m.log_index, k.token_id, f.transaction_hash
FROM imported.matches AS m
JOIN imported.trades AS t ON t.trade = m.trade
JOIN dim.tokens AS k ON k.token = m.token
LEFT JOIN fills AS f ON f.block = m.tx // 65536 AND f.log_index = m.log_index
ORDER BY t.trade
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with replica_of(world_of()) as running:
        yield running


@pytest.fixture
def ledger(url: str, tmp_path: Path) -> Workspace:
    sync(tmp_path / "ledger", url)
    return workspace_at(tmp_path / "ledger", url)


def rows_of(workspace: Workspace, query: str) -> list[dict[str, Any]]:
    return workspace.sql(query).arrow().to_pylist()


def listed(fill: dict[str, Any], *left_out: str) -> dict[str, Any]:
    """A fill as a file lists it, without some of its columns."""
    row = {
        "transaction_hash": fill["transaction_hash"],
        "log_index": fill["log_index"],
        "wallet": fill["wallet"],
        "token_id": fill["token_id"],
        "side": fill["side"],
        "size": str(Decimal(fill["shares"]) / 1_000_000),
        "usdc": str(Decimal(fill["collateral"]) / 1_000_000),
    }
    return {name: None if name in left_out else value for name, value in row.items()}


def test_every_fill_is_found_by_any_columns_that_tell_it(ledger: Workspace, tmp_path: Path) -> None:
    fills = rows_of(ledger, FILLS)
    subsets = [(), ("log_index",), ("log_index", "token_id"), ("wallet", "side"), ("log_index", "size", "wallet")]
    subsets += [("wallet", "token_id", "side", "size", "usdc")]
    rng = random.Random(5)
    rows = [listed(fill, *rng.choice(subsets)) for fill in fills]
    file = write_parquet(tmp_path / "fills.parquet", rows)
    document = ledger.import_trades([file])
    found = rows_of(ledger, MATCHES)
    by_row = {match["row_number"]: match for match in found}
    for number, (fill, row) in enumerate(zip(fills, rows, strict=True), 1):
        match = by_row.get(number)
        if match is None:  # only where the transaction holds fills of several tokens that all agree
            same = [one for one in fills if _agrees(row, one)]
            assert row["token_id"] is None
            assert len({one["token_id"] for one in same}) > 1
            continue
        assert match["transaction_hash"] == fill["transaction_hash"]
        assert match["token_id"] == fill["token_id"]
        if row["log_index"] is not None:
            assert match["log_index"] == fill["log_index"]
    used = Counter((match["block"], match["log_index"]) for match in found)
    assert max(used.values()) == 1
    assert len(found) > 0.95 * len(fills)
    assert document["rows"]["duplicates"] == len(found)


def _agrees(row: dict[str, Any], fill: dict[str, Any]) -> bool:
    whole = listed(fill)
    return all(value is None or value == whole[name] for name, value in row.items())


def test_equal_rows_match_as_many_fills_as_there_are_and_no_more(ledger: Workspace, tmp_path: Path) -> None:
    fills = rows_of(ledger, FILLS)
    fill = fills[0]
    rows = [listed(fill, "log_index")] * 3
    equal = sum(_agrees(rows[0], one) for one in fills)
    file = write_jsonl(tmp_path / "thrice.jsonl", rows)
    assert ledger.import_trades([file])["rows"]["duplicates"] == equal
    assert equal < 3
    # Another file that says the same of the same fill is as right as the first.
    other = write_jsonl(tmp_path / "again.jsonl", [listed(fill, "log_index", "side")])
    assert ledger.import_trades([other])["rows"]["duplicates"] == 1


def test_rows_that_contradict_the_chain_match_nothing(ledger: Workspace, tmp_path: Path) -> None:
    fills = rows_of(ledger, FILLS)
    fill = fills[7]
    other = next(one for one in fills if one["token_id"] != fill["token_id"] and one["wallet"] != fill["wallet"])
    wrong = {
        "token_id": other["token_id"],
        "wallet": other["wallet"],
        "side": {"BUY": "SELL", "SELL": "BUY"}[fill["side"]],
        "size": str(Decimal(fill["shares"] + 1) / 1_000_000),
        "usdc": str(Decimal(fill["collateral"] + 2) / 1_000_000),
        "transaction_hash": "0x" + "12" * 32,
        "log_index": 2**30,
    }
    rows = [{**listed(fill), name: value} for name, value in wrong.items()]
    near = {**listed(fill), "usdc": str(Decimal(fill["collateral"] + 1) / 1_000_000)}
    file = write_jsonl(tmp_path / "wrong.jsonl", [*rows, near])
    ledger.import_trades([file])
    assert [match["row_number"] for match in rows_of(ledger, MATCHES)] == [len(wrong) + 1]


def test_a_row_without_token_and_amounts_is_left_alone_where_its_transaction_holds_several_tokens(
    ledger: Workspace, tmp_path: Path
) -> None:
    fills = rows_of(ledger, FILLS)
    tokens: dict[str, set[str]] = {}
    conditions: dict[str, str] = {}
    for fill in fills:
        tokens.setdefault(fill["transaction_hash"], set()).add(fill["token_id"])
        conditions[fill["token_id"]] = fill["condition_id"]
    one = next(name for name, held in tokens.items() if len(held) == 1)
    several = next(name for name, held in tokens.items() if len(held) > 1)
    outcome = next(fill for fill in fills if fill["transaction_hash"] == several)
    file = tmp_path / "bare.jsonl"
    hinted = {"tx": several, "condition_id": outcome["condition_id"], "outcome_index": outcome["outcome_index"]}
    file.write_text("".join(json.dumps(row) + "\n" for row in ({"tx": one}, {"tx": several}, hinted)))
    document = ledger.import_trades([file], columns={"tx": "transaction"})
    assert document["state"] == "partial"  # nothing says how much was traded
    rows = [{"tx": one, "size": None}, {"tx": several, "size": None}, {**hinted, "size": None}]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert ledger.import_trades([file])["state"] == "done"
    found = rows_of(ledger, MATCHES)
    assert [match["row_number"] for match in found] == [1, 3]
    assert found[1]["token_id"] == outcome["token_id"]


@pytest.mark.long
def test_what_is_imported_first_is_matched_when_the_chain_comes_in_and_not_built_twice(
    url: str, tmp_path: Path
) -> None:
    sync(tmp_path / "other", url)
    with workspace_at(tmp_path / "other", url) as scanned:
        rows = [listed(fill, "log_index", "token_id") for fill in rows_of(scanned, FILLS)]
    file = write_parquet(tmp_path / "fills.parquet", rows)
    with workspace_at(tmp_path / "ledger", url) as workspace:
        assert workspace.import_trades([file])["rows"]["duplicates"] == 0
        assert workspace.sync()["state"] == "done"
        matched = rows_of(workspace, "SELECT count(*) AS n, count(tx) AS on_chain FROM imported.matches")[0]
        assert matched["n"] == matched["on_chain"] > 0.9 * len(rows)
        before = rows_of(workspace, MATCHES)
        workspace.sync()
        assert rows_of(workspace, MATCHES) == before
