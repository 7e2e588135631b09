"""The wire form of logs: the fast reading equals the ordinary one, whatever an answer looks like."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyledger.ctf.logs import LogColumns, columns_from_results
from polyledger.ctf.scan import scan_logs
from polyledger.domain.errors import SchemaMismatchError
from tests.paths import DEVWORLD_LOGS

Log = dict[str, Any]


@cache
def recorded() -> tuple[Log, ...]:
    with gzip.open(DEVWORLD_LOGS) as file:
        return tuple(json.load(file)["logs"])


def compact(logs: Any) -> bytes:
    return json.dumps(logs, separators=(",", ":")).encode()


def plain(columns: LogColumns) -> list[dict[str, Any]]:
    """The logs one by one, as Python values."""
    return [
        {
            "address": "0x" + columns.address[i].tobytes().hex(),
            "topics": ["0x" + columns.topics[i, j].tobytes().hex() for j in range(columns.topic_count[i])],
            "data": "0x" + columns.data_of(i).hex(),
            "blockNumber": hex(columns.block[i]),
            "blockHash": "0x" + columns.block_hash[i].tobytes().hex(),
            "blockTimestamp": None if columns.timestamp[i] < 0 else hex(columns.timestamp[i]),
            "transactionHash": "0x" + columns.transaction_hash[i].tobytes().hex(),
            "transactionIndex": hex(columns.transaction_index[i]),
            "logIndex": hex(columns.log_index[i]),
            "removed": bool(columns.removed[i]),
        }
        for i in range(len(columns))
    ]


def test_a_whole_world_is_read_the_fast_way_and_exactly() -> None:
    logs = list(recorded())
    assert len(compact(logs)) > 4_000_000  # several pieces
    pieces = scan_logs(compact(logs))
    assert pieces is not None
    assert len(pieces) > 2
    assert plain(columns_from_results([compact(logs)])) == logs
    assert plain(columns_from_results([msgspec.Raw(compact(logs[:500]))])) == logs[:500]


def made_logs(random: Random) -> list[Log]:
    def text(digits: int) -> str:
        return "0x" + random.randbytes(digits // 2).hex()

    return [
        {
            "address": text(40),
            "topics": [text(64) for _ in range(random.randint(0, 4))],
            "data": text(64 * random.randint(0, 5)),
            "blockNumber": hex(random.randrange(1 << random.randint(0, 47))),
            "transactionHash": text(64),
            "transactionIndex": hex(random.randrange(1 << 16)),
            "blockHash": text(64),
            "blockTimestamp": hex(random.randrange(1 << 40)),
            "logIndex": hex(random.randrange(1 << 31)),
            "removed": random.random() < 0.5,
        }
        for _ in range(random.randint(1, 6))
    ]


@settings(deadline=None, derandomize=True)
@given(st.integers(0, 1 << 32), st.permutations(range(10)))
def test_any_order_of_keys_is_read_the_fast_way(seed: int, order: list[int]) -> None:
    logs = made_logs(Random(seed))
    ordered = [dict([list(log.items())[i] for i in order]) for log in logs]
    assert scan_logs(compact(ordered)) is not None
    assert plain(columns_from_results([compact(ordered)])) == logs


def upper(logs: list[Log]) -> bytes:
    return compact([{**log, "address": "0x" + log["address"][2:].upper()} for log in logs])


UNUSUAL: dict[str, Callable[[list[Log]], bytes]] = {
    "blanks": lambda logs: json.dumps(logs).encode(),
    "line breaks": lambda logs: json.dumps(logs, indent=1).encode(),
    "a blank before": lambda logs: b" " + compact(logs) + b"\n",
    "another order in one log": lambda logs: compact([dict(reversed(logs[0].items())), *logs[1:]]),
    "an unknown key": lambda logs: compact([{**log, "extra": {"blockNumber": "0x7", "topics": []}} for log in logs]),
    "an unknown text": lambda logs: compact([{"note": 'a "quoted" \\ text', **log} for log in logs]),
    "a null timestamp": lambda logs: compact([*logs[:-1], {**logs[-1], "blockTimestamp": None}]),
    "no timestamp in one": lambda logs: compact(
        [*logs[:-1], {key: value for key, value in logs[-1].items() if key != "blockTimestamp"}]
    ),
    "no flag": lambda logs: compact([{k: v for k, v in log.items() if k != "removed"} for log in logs]),
    "leading zeros": lambda logs: compact([{**log, "logIndex": "0x" + log["logIndex"][2:].zfill(40)} for log in logs]),
    "upper case": upper,
    "an escaped key": lambda logs: compact(logs).replace(b'"data"', b'"d\\u0061ta"', 1),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_answers_are_read_all_the_same(name: str) -> None:
    logs = list(recorded()[:40])
    expected = [dict(log) for log in logs]
    if name in {"a null timestamp", "no timestamp in one"}:
        expected[-1]["blockTimestamp"] = None
    assert plain(columns_from_results([UNUSUAL[name](logs)])) == expected


def test_keys_borrowed_from_a_neighbour_are_not_accepted() -> None:
    first, second = (compact(log).decode()[1:-1] for log in recorded()[:2])
    key = '"logIndex":'
    moved = "{" + first + "," + second[: second.index(",")] + "},{" + second[second.index(",") + 1 :] + "}"
    assert key in moved
    with pytest.raises(SchemaMismatchError, match="address"):
        columns_from_results([f"[{moved}]".encode()])


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.data())
def test_damage_is_refused_or_read_as_the_ordinary_way_reads_it(data: st.DataObject) -> None:
    """One byte of an answer is changed: both ways of reading must agree on the outcome."""
    body = bytearray(compact(list(recorded()[:3])))
    position = data.draw(st.integers(0, len(body) - 1))
    body[position] = data.draw(st.sampled_from(list(b'0aFgx"[]{},:\\ \n\xff')))
    spaced = bytes(body[:1]) + b" " + bytes(body[1:])  # a blank takes the ordinary way
    assert scan_logs(spaced) is None
    outcomes: list[Any] = []
    for text in (bytes(body), spaced):
        try:
            outcomes.append(plain(columns_from_results([text])))
        except SchemaMismatchError:
            outcomes.append("refused")
    assert outcomes[0] == outcomes[1]


def test_columns_have_the_documented_types() -> None:
    for columns in (LogColumns.empty(), columns_from_results([compact(list(recorded()[:5]))])):
        types = {field.name: getattr(columns, field.name).dtype for field in fields(LogColumns)}
        assert types["block"] == types["timestamp"] == types["data_offset"] == np.int64
        assert types["transaction_index"] == types["log_index"] == np.int32
        assert types["removed"] == np.bool_
        assert {types[name] for name in ("block_hash", "transaction_hash", "address", "topics", "data")} == {
            np.dtype(np.uint8)
        }
        assert columns.topics.shape[1:] == (4, 32)
