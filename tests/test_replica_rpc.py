"""The replica as a JSON-RPC node: every answer is compared with the recorded file, filtered by plain Python."""

from __future__ import annotations

import itertools
from typing import Any

import httpx2
import pytest

from polyledger.ctf.keccak import keccak256
from polyledger.domain.errors import ConfigurationError
from polyledger.replica import World, load_world, serve
from tests.replica_support import call, error_of, recorded, replica, truth, world

__all__ = ["recorded", "replica", "truth", "world"]

TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
COLLATERAL = "0x2791bca1f2de4661ed88a30c99a7a9449aa84174"
TOKENS = "0x4d97dcd97ec945f40cf65f87097ace5ea0476045"


def expected(logs: list[dict[str, Any]], query: dict[str, Any]) -> list[dict[str, Any]]:
    """What a node returns, by the words of the JSON-RPC specification."""
    first, last = int(query["fromBlock"], 16), int(query["toBlock"], 16)
    addresses = query.get("address")
    addresses = [addresses] if isinstance(addresses, str) else addresses
    found = []
    for log in logs:
        if not first <= int(log["blockNumber"], 16) <= last:
            continue
        if addresses and log["address"] not in [address.lower() for address in addresses]:
            continue
        for position, wanted in enumerate(query.get("topics", [])):
            values = [wanted] if isinstance(wanted, str) else wanted
            if values and (position >= len(log["topics"]) or log["topics"][position] not in values):
                break
        else:
            found.append(log)
    return found


def test_knows_its_chain_and_head(replica: httpx2.Client, recorded: dict[str, Any]) -> None:
    assert call(replica, "eth_chainId") == "0x89"
    assert int(call(replica, "eth_blockNumber"), 16) == recorded["to_block"]
    assert call(replica, "eth_getBlockByNumber", "finalized", False)["number"] == hex(recorded["to_block"])
    assert error_of(replica, "eth_coinbase")["code"] == -32601


def test_filters_logs_as_the_specification_says(replica: httpx2.Client, recorded: dict[str, Any]) -> None:
    logs = recorded["logs"]
    wallets = sorted({log["topics"][1] for log in logs if log["topics"][0] == TRANSFER})
    spans = [(52_000_000, 52_000_527), (52_000_100, 52_000_140), (52_000_400, 52_000_400), (51_000_000, 51_999_999)]
    filters: list[dict[str, Any]] = [
        {},
        {"address": None, "topics": []},
        {"address": COLLATERAL},
        {"address": [COLLATERAL.upper().replace("0X", "0x"), TOKENS]},
        {"address": ["0x" + "11" * 20]},
        {"topics": [TRANSFER]},
        {"topics": [[TRANSFER], wallets[:3]]},
        {"address": COLLATERAL, "topics": [TRANSFER, None, wallets]},
        {"topics": [None, wallets[:12]]},
        {"topics": [None, None, None, ["0x" + "22" * 32]]},
    ]
    for first, last in spans:
        for part in filters:
            query = {**part, "fromBlock": hex(first), "toBlock": hex(last)}
            assert call(replica, "eth_getLogs", query) == expected(logs, query), query


def test_clips_past_the_head_and_refuses_a_reversed_range(replica: httpx2.Client, recorded: dict[str, Any]) -> None:
    head = recorded["to_block"]
    query = {"fromBlock": hex(head - 3), "toBlock": hex(head + 1000)}
    assert call(replica, "eth_getLogs", query) == expected(recorded["logs"], query)
    assert error_of(replica, "eth_getLogs", {"fromBlock": hex(head), "toBlock": hex(head - 1)})["code"] == -32000
    assert error_of(replica, "eth_getLogs", {"fromBlock": hex(head), "toBlock": "x"})["code"] == -32602
    assert error_of(replica, "eth_getLogs", {"address": 5, "fromBlock": "0x0", "toBlock": "0x1"})["code"] == -32602


def test_headers_are_linked_inside_and_outside_the_recording(replica: httpx2.Client, recorded: dict[str, Any]) -> None:
    blocks = {block["number"]: block for block in recorded["blocks"]}
    start = recorded["from_block"]
    headers = [call(replica, "eth_getBlockByNumber", hex(number), False) for number in range(start - 3, start + 20)]
    for before, after in itertools.pairwise(headers):
        assert after["parentHash"] == before["hash"]
        assert int(after["timestamp"], 16) >= int(before["timestamp"], 16)
    for header in headers[3:]:
        assert header["hash"] == blocks[header["number"]]["hash"]
        assert header["transactions"] == blocks[header["number"]]["transactions"]
    assert call(replica, "eth_getBlockByNumber", "0x0", False)["parentHash"] == "0x" + "0" * 64
    assert call(replica, "eth_getBlockByNumber", hex(recorded["to_block"] + 1), False) is None


def test_the_bloom_of_a_header_holds_its_logs(replica: httpx2.Client, recorded: dict[str, Any]) -> None:
    number = recorded["logs"][6000]["blockNumber"]
    bloom = int(call(replica, "eth_getBlockByNumber", number, False)["logsBloom"], 16)
    inside = {
        value for log in recorded["logs"] if log["blockNumber"] == number for value in (log["address"], *log["topics"])
    }
    for value in inside:
        digest = keccak256(bytes.fromhex(value[2:]))
        for at in (0, 2, 4):
            assert bloom >> (int.from_bytes(digest[at : at + 2], "big") % 2048) & 1
    assert bloom.bit_count() <= 3 * len(inside)


def test_receipts_hold_all_logs_of_their_transaction(replica: httpx2.Client, recorded: dict[str, Any]) -> None:
    wanted = recorded["logs"][7000]
    logs = [log for log in recorded["logs"] if log["transactionHash"] == wanted["transactionHash"]]
    receipt = call(replica, "eth_getTransactionReceipt", wanted["transactionHash"])
    assert receipt["logs"] == logs
    assert receipt["blockHash"] == wanted["blockHash"]
    block = call(replica, "eth_getBlockReceipts", wanted["blockNumber"])
    assert [log for one in block for log in one["logs"]] == [
        log for log in recorded["logs"] if log["blockNumber"] == wanted["blockNumber"]
    ]
    assert call(replica, "eth_getTransactionReceipt", "0x" + "33" * 32) is None


def test_answers_batches_by_id(replica: httpx2.Client, recorded: dict[str, Any]) -> None:
    query = {"fromBlock": hex(52_000_200), "toBlock": hex(52_000_210)}
    batch = [
        {"jsonrpc": "2.0", "id": "a", "method": "eth_chainId", "params": []},
        {"jsonrpc": "2.0", "id": 2, "method": "eth_getLogs", "params": [query]},
        {"jsonrpc": "2.0", "id": 3, "method": "nothing"},
    ]
    first, second, third = replica.post("/rpc", json=batch).json()
    assert (first["id"], first["result"]) == ("a", "0x89")
    assert (second["id"], second["result"]) == (2, expected(recorded["logs"], query))
    assert (third["id"], third["error"]["code"]) == (3, -32601)
    assert replica.post("/rpc", content=b"{").json()["error"]["code"] == -32700
    assert replica.post("/rpc", json=[]).json()["error"]["code"] == -32600


def test_counts_what_it_serves(replica: httpx2.Client) -> None:
    replica.post("/stats/reset")
    call(replica, "eth_blockNumber")
    call(replica, "eth_getLogs", {"fromBlock": hex(52_000_003), "toBlock": hex(52_000_003)})
    stats = replica.get("/stats").json()
    assert stats["requests"] == {"rpc": 2}
    assert stats["rpc"]["calls"] == {"eth_blockNumber": 1, "eth_getLogs": 1}
    assert stats["rpc"]["logs"] == 1


@pytest.mark.parametrize("name", ["copy_logs.json", "copy_logs.jsonl"])
def test_reads_worlds_in_plainer_forms(tmp_path: Any, name: str, recorded: dict[str, Any]) -> None:
    import json

    path = tmp_path / name
    if name.endswith("jsonl"):
        head = {key: value for key, value in recorded.items() if key != "logs"}
        path.write_text("\n".join(json.dumps(line) for line in [head, *recorded["logs"]]))
    else:
        path.write_text(json.dumps(recorded))
    with serve(load_world(path)) as url, httpx2.Client(base_url=url) as client:
        query = {"fromBlock": "0x0", "toBlock": "latest"}
        assert call(client, "eth_getLogs", query) == recorded["logs"]


def test_says_what_is_wrong_with_a_world(tmp_path: Any) -> None:
    with pytest.raises(ConfigurationError, match="no world at"):
        load_world(tmp_path / "missing_logs.json.gz")
    broken = tmp_path / "broken_logs.json"
    broken.write_text('{"chain_id": 137}')
    with pytest.raises(ConfigurationError, match="is not a recorded world"):
        load_world(broken)


def test_a_world_without_names_still_has_its_ids(tmp_path: Any, world: World, truth: dict[str, Any]) -> None:
    from tests.paths import DEVWORLD_LOGS

    path = tmp_path / DEVWORLD_LOGS.name
    path.write_bytes(DEVWORLD_LOGS.read_bytes())
    nameless = load_world(path)
    assert world.markets is not None
    assert nameless.markets is None
    with serve(nameless) as url, httpx2.Client(base_url=url) as client:
        rows = [
            row
            for closed in ("true", "false")
            for row in client.get("/gamma/markets/keyset", params={"closed": closed, "limit": 100}).json()["markets"]
        ]
    import json

    assert {row["conditionId"]: json.loads(row["clobTokenIds"]) for row in rows} == {
        condition["condition_id"]: condition["token_ids"] for condition in truth["conditions"]
    }
