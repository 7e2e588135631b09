"""Faults on demand: each one is seen by a client on the other side of a socket."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from polyledger.domain.errors import ConfigurationError
from polyledger.replica import load_faults, parse_faults
from tests.replica_support import call, error_of, faulty, recorded, world

__all__ = ["faulty", "recorded", "world"]

Start = Callable[[dict[str, Any]], httpx2.Client]
FIRST, LAST = 52_000_000, 52_000_527


def logs(client: httpx2.Client, first: int, last: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = call(client, "eth_getLogs", {"fromBlock": hex(first), "toBlock": hex(last)})
    return found


@pytest.mark.parametrize(
    ("style", "text"),
    [
        ("alchemy", "this block range should work: [0x3197500, 0x3197509]"),
        ("decimal", "retry with the range 52000000-52000009"),
        ("infura", "Try with this block range [0x3197500, 0x3197509]"),
        ("exceed", "exceed maximum block range: 10"),
        ("wide", "block range is too wide"),
    ],
)
def test_refuses_wide_ranges_in_the_words_of_a_provider(faulty: Start, style: str, text: str) -> None:
    client = faulty({"rpc": {"max_block_range": 10, "range_refusal": style}})
    query = {"fromBlock": hex(FIRST), "toBlock": hex(FIRST + 10)}
    assert text in error_of(client, "eth_getLogs", query)["message"]
    assert isinstance(logs(client, FIRST, FIRST + 9), list)


def test_refuses_large_answers_and_suggests_a_range_that_works(faulty: Start) -> None:
    client = faulty({"rpc": {"max_logs": 1000, "logs_refusal": "decimal"}})
    message = error_of(client, "eth_getLogs", {"fromBlock": hex(FIRST), "toBlock": hex(LAST)})["message"]
    first, last = (int(number) for number in message.rsplit(" ", 1)[1].split("-"))
    assert first == FIRST
    assert 0 < len(logs(client, first, last)) <= 1000
    assert error_of(client, "eth_getLogs", {"fromBlock": hex(first), "toBlock": hex(last + 1)})


def test_loses_the_share_of_requests_it_is_told_to(faulty: Start, recorded: dict[str, Any]) -> None:
    rates = {"too_many_requests": 0.15, "server_errors": 0.1, "resets": 0.1, "truncated": 0.1, "html": 0.05}
    client = faulty({"seed": 1, "http": {**rates, "retry_after_seconds": 3}})
    outcomes: Counter[str] = Counter()
    for _ in range(300):
        try:
            answer = client.post(
                "/rpc",
                json={"id": 1, "method": "eth_getLogs", "params": [{"fromBlock": hex(LAST - 9), "toBlock": hex(LAST)}]},
            )
        except httpx2.HTTPError as error:
            outcomes[type(error).__name__] += 1
            continue
        if answer.status_code == 429:
            assert answer.headers["retry-after"] == "3"
        try:
            body = answer.json()
        except ValueError:
            outcomes[f"{answer.status_code} unreadable"] += 1
            continue
        outcomes[str(answer.status_code)] += 1
        if answer.status_code == 200:
            assert len(body["result"]) == sum(int(log["blockNumber"], 16) > LAST - 10 for log in recorded["logs"])
    assert 120 < outcomes["200"] < 220
    assert outcomes["429"] + outcomes["429 unreadable"] > 20
    assert outcomes["502 unreadable"] > 3
    assert outcomes["503 unreadable"] > 3
    assert outcomes["200 unreadable"] > 10
    assert sum(number for name, number in outcomes.items() if name.endswith("Error")) > 20


def test_is_down_for_as_long_as_the_script_says(faulty: Start) -> None:
    client = faulty({"http": {"down": [[2, 3]], "sources": ["gamma"]}})
    assert [client.get("/gamma/status").status_code for _ in range(4)] == [200, 503, 503, 200]
    assert call(client, "eth_chainId") == "0x89"


def test_faults_of_single_calls_and_batches(faulty: Start) -> None:
    client = faulty({"seed": 2, "rpc": {"null_results": 0.2, "throttled_members": 0.2, "unordered_batches": True}})
    batch = [{"jsonrpc": "2.0", "id": number, "method": "eth_chainId"} for number in range(100)]
    answers = client.post("/rpc", json=batch).json()
    assert sorted(answer["id"] for answer in answers) == list(range(100))
    assert [answer["id"] for answer in answers] != list(range(100))
    kinds = Counter("error" if "error" in answer else answer["result"] for answer in answers)
    assert kinds["error"] > 5
    assert kinds[None] > 5
    assert kinds["0x89"] > 40
    assert all(answer["error"]["code"] == 429 for answer in answers if "error" in answer)


def test_a_lagging_node_answers_its_whole_batch_from_behind(faulty: Start) -> None:
    client = faulty({"seed": 3, "rpc": {"lag_rate": 0.5, "lag_blocks": 100}})
    batch = [
        {"id": 1, "method": "eth_blockNumber"},
        {"id": 2, "method": "eth_getLogs", "params": [{"fromBlock": hex(LAST - 50), "toBlock": hex(LAST)}]},
    ]
    heads = set()
    for _ in range(20):
        head, found = (answer["result"] for answer in client.post("/rpc", json=batch).json())
        heads.add(int(head, 16))
        assert bool(found) == (int(head, 16) == LAST)
    assert heads == {LAST, LAST - 100}


def test_a_node_may_lack_tags_timestamps_blooms_and_methods(faulty: Start) -> None:
    client = faulty(
        {
            "rpc": {
                "finalized": False,
                "block_timestamps": False,
                "logs_bloom": False,
                "missing_methods": ["eth_getBlockReceipts"],
            }
        }
    )
    assert error_of(client, "eth_getBlockByNumber", "finalized", False)["code"] == -32602
    assert "logsBloom" not in call(client, "eth_getBlockByNumber", "latest", False)
    found = logs(client, LAST - 9, LAST)
    assert found
    assert not any("blockTimestamp" in log for log in found)
    receipt = call(client, "eth_getTransactionReceipt", found[0]["transactionHash"])
    assert not any("blockTimestamp" in log for log in receipt["logs"])
    assert error_of(client, "eth_getBlockReceipts", "latest")["code"] == -32601


def test_the_head_moves_as_planned(faulty: Start) -> None:
    client = faulty({"head": {"start": FIRST + 10, "per_request": 5}, "rpc": {"finalized_depth": 3}})
    assert [int(call(client, "eth_blockNumber"), 16) - FIRST for _ in range(3)] == [15, 20, 25]
    assert int(call(client, "eth_getBlockByNumber", "finalized", False)["number"], 16) == FIRST + 27
    client.post("/control", json={"head": LAST + 5})
    assert int(call(client, "eth_blockNumber"), 16) == LAST + 5
    past = call(client, "eth_getBlockByNumber", hex(LAST + 1), False)
    assert past["parentHash"] == call(client, "eth_getBlockByNumber", hex(LAST), False)["hash"]


def test_a_branch_replaces_the_last_blocks_and_is_given_up(faulty: Start, recorded: dict[str, Any]) -> None:
    fork = LAST - 60
    dropped = next(log["transactionHash"] for log in recorded["logs"] if int(log["blockNumber"], 16) == fork + 5)
    script = {"head": {"start": fork + 20}, "reorg": {"fork": fork, "depth": 20, "drop": [dropped]}}
    client = faulty(script)
    branch = [call(client, "eth_getBlockByNumber", hex(number), False) for number in range(fork, fork + 21)]
    recorded_hashes = {int(block["number"], 16): block["hash"] for block in recorded["blocks"]}
    assert branch[0]["hash"] == recorded_hashes[fork]
    for before, after in itertools.pairwise(branch):
        assert after["parentHash"] == before["hash"]
        assert after["hash"] != recorded_hashes[int(after["number"], 16)]
    hashes = {block["number"]: block["hash"] for block in branch}
    found = logs(client, fork + 1, fork + 20)
    assert all(log["blockHash"] == hashes[log["blockNumber"]] for log in found)
    assert dropped not in {log["transactionHash"] for log in found}
    on_chain = [log for log in recorded["logs"] if fork < int(log["blockNumber"], 16) <= fork + 20]
    kept = [log["transactionHash"] for log in on_chain if log["transactionHash"] != dropped]
    assert [log["transactionHash"] for log in found] == kept
    assert call(client, "eth_getTransactionReceipt", dropped) is None

    client.post("/control", json={"reorg": None, "head": LAST})
    assert logs(client, fork + 1, fork + 20) == on_chain
    assert call(client, "eth_getTransactionReceipt", dropped) is not None


def test_a_branch_may_show_later_transactions_early(faulty: Start, recorded: dict[str, Any]) -> None:
    fork, shift = FIRST + 400, 50
    client = faulty(
        {"reorg": {"fork": fork, "depth": 3, "shift": shift, "until_head": fork + 3}, "head": {"start": fork}}
    )
    client.post("/control", json={"head": fork + 3})
    early = [log["transactionHash"] for log in logs(client, fork + 1, fork + 3)]
    later = [
        log["transactionHash"]
        for log in recorded["logs"]
        if fork + shift < int(log["blockNumber"], 16) <= fork + shift + 3
    ]
    assert early == later
    client.post("/control", json={"head": fork + 4})
    assert [log["transactionHash"] for log in logs(client, fork + 1, fork + 3)] != later


def test_faults_change_at_run_time_and_wrong_ones_are_refused(faulty: Start, tmp_path: Path) -> None:
    client = faulty({})
    client.post("/control", json={"faults": {"rpc": {"max_block_range": 1}}})
    assert error_of(client, "eth_getLogs", {"fromBlock": "0x1", "toBlock": "0x5"})
    answer = client.post("/control", json={"faults": {"rpc": {"max_blocks": 1}}})
    assert answer.status_code == 400
    assert "max_blocks" in answer.json()["error"]
    with pytest.raises(ConfigurationError, match="unknown field"):
        parse_faults({"weather": "bad"})
    script = tmp_path / "faults.toml"
    script.write_text('seed = 4\n[rpc]\nmax_block_range = 10\nrange_refusal = "geth"\n[http]\nresets = 0.05\n')
    assert load_faults(script).rpc.max_block_range == 10
    script = tmp_path / "faults.json"
    script.write_text(json.dumps({"http": {"html": 0.5}}))
    assert load_faults(script).http.html == 0.5
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_faults(tmp_path / "none.toml")
