"""The baselines of decoding and scanning: the usual libraries, one log at a time.

HTTP requests answered with JSON, orjson to parse it, eth-abi to decode each log into a tuple, a list to keep them.
"""

from __future__ import annotations

from typing import Any

import eth_abi
import httpx2
import orjson

from polyledger.ctf import events

# topic 0 → name, types of the indexed arguments, types of the data
_EVENTS: dict[str, tuple[str, list[str], list[str]]] = {
    "0x" + event.topic.hex(): (
        event.name,
        [argument.type for argument in event.arguments if argument.indexed],
        [argument.type for argument in event.arguments if not argument.indexed],
    )
    for event in vars(events).values()
    if isinstance(event, events.Event)
}
Row = tuple[Any, ...]


def decode_plainly(logs: list[dict[str, Any]]) -> list[Row]:
    """Every log as a tuple of name, place, emitter and values."""
    decode, known = eth_abi.decode, _EVENTS
    rows: list[Row] = []
    for log in logs:
        topics = log["topics"]
        event = known.get(topics[0])
        if event is None:
            continue
        name, indexed, plain = event
        values = decode(indexed, bytes.fromhex("".join([topic[2:] for topic in topics[1:]])))
        values += decode(plain, bytes.fromhex(log["data"][2:]))
        rows.append((name, int(log["blockNumber"], 16), int(log["logIndex"], 16), log["address"], *values))
    return rows


def decode_answer(answer: bytes) -> int:
    """Parses and decodes one ``eth_getLogs`` result; returns how many logs it gave."""
    return len(decode_plainly(orjson.loads(answer)))


def scan_plainly(url: str, first: int, last: int, step: int = 200) -> int:
    """All logs of a span of blocks, ``step`` blocks to a request, one request after another; returns how many."""
    rows: list[Row] = []
    with httpx2.Client(timeout=60) as client:
        for low in range(first, last + 1, step):
            span = {"fromBlock": hex(low), "toBlock": hex(min(last, low + step - 1))}
            call = {"jsonrpc": "2.0", "id": 1, "method": "eth_getLogs", "params": [span]}
            answer = client.post(url, content=orjson.dumps(call), headers={"content-type": "application/json"})
            answer.raise_for_status()
            rows += decode_plainly(orjson.loads(answer.content)["result"])
    return len(rows)
