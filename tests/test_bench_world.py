"""A generated world is as consistent as the recorded one that it repeats."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from bench.world import generate

from polyledger.ctf.identity import condition_id, token_ids
from polyledger.replica.world import load_world
from tests.paths import DEVWORLD_LOGS, DEVWORLD_TRUTH

CTF = "0x4d97dcd97ec945f40cf65f87097ace5ea0476045"
USDC = "0x2791bca1f2de4661ed88a30c99a7a9449aa84174"
TRANSFER_SINGLE = "0xc3d58168c5ae7397731d063d5bbf3d657854427343f4c083240f7aacaa2d0f62"
TRANSFER_BATCH = "0x4a39dc06d4c0dbc64b70af90fd698a233a518aa5d07e595d983b8c0526c8f7fb"
TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, dict[str, Any], list[dict[str, Any]], dict[str, Any]]:
    path = tmp_path_factory.mktemp("world") / "three_logs.jsonl"
    assert generate(path, 3 * 12_000, DEVWORLD_LOGS) == 3 * 12_223
    header, *logs = [json.loads(line) for line in path.read_text().splitlines()]
    truth = json.loads(gzip.decompress((path.parent / "three_truth.json.gz").read_bytes()))
    return path, header, logs, truth


def test_the_first_copy_is_the_recording(world: Any) -> None:
    _, header, logs, truth = world
    recorded = json.loads(gzip.decompress(DEVWORLD_LOGS.read_bytes()))
    assert logs[: len(recorded["logs"])] == recorded["logs"]
    assert header["blocks"][: len(recorded["blocks"])] == recorded["blocks"]
    assert truth["fills"][:2000] == json.loads(gzip.decompress(DEVWORLD_TRUTH.read_bytes()))["fills"]


def test_blocks_are_linked_and_every_log_is_in_one(world: Any) -> None:
    _, header, logs, _ = world
    blocks = header["blocks"]
    assert len({block["hash"] for block in blocks}) == len(blocks)
    for before, block in pairwise(blocks):
        assert block["parentHash"] == before["hash"]
        assert int(block["number"], 16) == int(before["number"], 16) + 1
        assert int(block["timestamp"], 16) >= int(before["timestamp"], 16)
    by_number = {block["number"]: block for block in blocks}
    for log in logs:
        block = by_number[log["blockNumber"]]
        assert (log["blockHash"], log["blockTimestamp"]) == (block["hash"], block["timestamp"])
        assert block["transactions"][int(log["transactionIndex"], 16)] == log["transactionHash"]


def test_every_id_derives_and_no_name_is_shared(world: Any) -> None:
    _, _, logs, truth = world
    conditions = truth["conditions"]
    for row in conditions:
        oracle, collateral = bytes.fromhex(row["oracle"][2:]), bytes.fromhex(row["collateral"][2:])
        slots = row["outcome_slot_count"]
        condition = condition_id(oracle, bytes.fromhex(row["question_id"][2:]), slots)
        assert row["condition_id"] == "0x" + condition.hex()
        assert row["token_ids"] == [str(token) for token in token_ids(condition, slots, collateral)]
    for name in ("condition_id", "question_id", "market_id", "slug"):
        assert len({row[name] for row in conditions}) == len(conditions)
    assert len(set(truth["wallets"])) == 60
    prepared = {log["topics"][1] for log in logs if log["topics"][0].startswith("0xab3760c3")}
    assert prepared == {row["condition_id"] for row in conditions}


def test_balances_of_the_logs_are_those_of_the_truth(world: Any) -> None:
    _, _, logs, truth = world
    shares: dict[tuple[str, str], int] = defaultdict(int)
    cash: dict[str, int] = defaultdict(int)
    for log in logs:
        topics = log["topics"]
        words = [int(log["data"][start : start + 64], 16) for start in range(2, len(log["data"]), 64)]
        if log["address"] == USDC and topics[0] == TRANSFER:
            cash["0x" + topics[1][26:]] -= words[0]
            cash["0x" + topics[2][26:]] += words[0]
        if log["address"] == CTF and topics[0] in {TRANSFER_SINGLE, TRANSFER_BATCH}:
            count = words[2] if topics[0] == TRANSFER_BATCH else 1
            pairs = (
                zip(words[3 : 3 + count], words[4 + count :], strict=True) if topics[0] == TRANSFER_BATCH else [words]
            )
            for token, amount in pairs:
                shares["0x" + topics[2][26:], str(token)] -= amount
                shares["0x" + topics[3][26:], str(token)] += amount
    assert len(truth["final"]) == 61
    for wallet, final in truth["final"].items():
        held = {token: amount for (owner, token), amount in shares.items() if owner == wallet.lower() and amount}
        assert held == {token: amount for token, amount in final["token_balances"].items() if amount}
        assert cash[wallet.lower()] == final["usdc_final"]


def test_the_replica_serves_it(world: Any) -> None:
    path, header, logs, _ = world
    loaded = load_world(path)
    assert (loaded.from_block, loaded.to_block) == (header["from_block"], header["to_block"])
    assert loaded.to_block - loaded.from_block + 1 == len(loaded.blocks)
    assert loaded.markets is not None
    assert len(loaded.markets) == 93
    assert len(logs) == 3 * 12_223
