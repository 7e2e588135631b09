"""Decoding: every layout against eth-abi, and all of a recorded world."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polyledger.ctf import events
from polyledger.ctf.decode import LAYOUTS, decode
from polyledger.ctf.events import Event
from polyledger.ctf.layouts import Layout
from polyledger.ctf.logs import LogColumns, columns_from_results
from polyledger.ctf.tables import EVENT_TABLES, SCHEMAS
from tests.chain_oracle import comparable, expected_rows, make_log, read_log, to_json, topic_of
from tests.decoding import BIG, MAINNET, POOL, arguments_of, decoded, devworld, devworld_decoded
from tests.event_topics import PUBLISHED_TOPICS


def emitter_of(layout: Layout) -> str:
    if layout.roles is None:
        return POOL
    return next(contract.address for contract in MAINNET.all if contract.role in layout.roles)


def test_every_topic_is_the_published_one() -> None:
    ours = {event.signature: "0x" + event.topic.hex() for event in vars(events).values() if isinstance(event, Event)}
    ours |= {text: topic_of(text) for text in events.MINOR_SIGNATURES}
    assert {key: PUBLISHED_TOPICS[key] for key in ours if key in PUBLISHED_TOPICS} == {
        key: value for key, value in ours.items() if key in PUBLISHED_TOPICS
    }
    assert set(PUBLISHED_TOPICS) <= set(ours)


AMOUNTS = st.one_of(st.integers(0, BIG - 1), st.sampled_from([0, 1, BIG - 1]))
ADDRESSES = st.binary(min_size=20, max_size=20).map(lambda value: "0x" + value.hex())
NUMBERS = st.one_of(st.integers(0, (1 << 256) - 1), st.just(0))
INDEXES = {"outcome_slots", "question_index", "outcome_index", "condition_index"}
TOKENS = {"token", "tokens", "maker_asset", "taker_asset", "token0", "token1", "index_set"}


def value_of(name: str, kind: str) -> st.SearchStrategy[Any]:  # noqa: PLR0911
    if kind.endswith("[]"):
        return st.lists(value_of(name, kind[:-2]), max_size=6)
    if kind == "address":
        return ADDRESSES
    if kind == "bool":
        return st.booleans()
    if kind == "bytes":
        return st.binary(max_size=100)
    if kind.startswith("bytes"):
        width = int(kind[5:])
        return st.binary(min_size=width, max_size=width)
    if kind == "uint8":
        return st.integers(0, 1)
    if name in TOKENS:
        return NUMBERS
    return st.integers(0, 255) if name in INDEXES else AMOUNTS


@st.composite
def event_values(draw: st.DrawFn, event: Event) -> dict[str, Any]:
    values = {argument.name: draw(value_of(argument.name, argument.type)) for argument in event.arguments}
    if "maker_asset" in values:  # one of the two is collateral
        token = draw(st.integers(1, (1 << 256) - 1))
        buys = draw(st.booleans())
        values["maker_asset"], values["taker_asset"] = (0, token) if buys else (token, 0)
    if "partition" in values:
        values["partition"] = [1 << item for item in range(draw(st.integers(2, 8)))]
    if "parent" in values:
        values["parent"] = bytes(32)
    if "numerators" in values:
        values["outcome_slots"] = len(values["numerators"])
    if "tokens" in values:
        pairs = draw(st.lists(st.tuples(NUMBERS, AMOUNTS), min_size=1, max_size=6))
        values["tokens"], values["amounts"] = [list(side) for side in zip(*pairs, strict=True)]
    return values


def expected_of(layout: Layout, address: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    name = layout.event.name
    if layout.table == "roles":
        exchange = "exchange" in str(MAINNET.role_of(bytes.fromhex(address[2:])))
        account, by = ("first", "second") if exchange else ("second", "first")
        row = {"contract": address, "account": values[account], "by": values[by]}
        return [{**row, "kind": int("Admin" in name), "granted": name.startswith("New")}]
    if layout.table == "protocol_changes":
        kinds = "PositionsSplit PositionsMerged PositionRedeemed PositionConverted HorizontalSplit HorizontalMerge"
        subject = values.get("condition", values.get("event_id", values.get("token")))
        optional = {"second_recipient": None, "condition_index": None, "payout": None}
        return [{"contract": address, **optional, **values, "kind": kinds.split().index(name), "subject": subject}]
    return expected_rows(name, layout.table, address, values)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: f"{layout.event.name}-{layout.table}")
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(data=st.data())
def test_layout_reads_what_eth_abi_wrote(layout: Layout, data: st.DataObject) -> None:
    several = data.draw(st.lists(event_values(layout.event), min_size=1, max_size=4))
    address = emitter_of(layout)
    logs = [
        make_log(layout.event.name, arguments_of(layout.event), values, address, block=7, log_index=index)
        for index, values in enumerate(several)
    ]
    result = decoded(*logs)
    rows = result.tables[layout.table].to_pylist()
    expected = [row for values in several for row in expected_of(layout, address, values)]
    assert result.counts[layout.table] == len(several)
    assert rows == [
        {"tx": 7 << 16, "log_index": row["log_index"], **comparable(want, row)}
        for want, row in zip(expected, rows, strict=True)
    ]


def test_recorded_world_counts_equal_an_independent_count() -> None:
    tables = {"0x" + layout.event.topic.hex(): layout.table for layout in LAYOUTS}
    counted = Counter(tables.get(log["topics"][0], "minor_logs") for log in devworld()["logs"])
    result = devworld_decoded()
    assert {name: count for name, count in result.counts.items() if count} == dict(counted)
    assert result.foreign == 0
    assert sum(counted.values()) == 12_223
    assert (counted["fills"], counted["matches"], counted["resolutions"]) == (2000, 943, 23)
    batches = [log for log in devworld()["logs"] if log["topics"][0] == "0x" + events.TRANSFER_BATCH.topic.hex()]
    items = sum((len(log["data"]) - 2 - 4 * 64) // 128 for log in batches)
    assert len(result.tables["share_transfers"]) == counted["share_transfers"] - len(batches) + items


def test_recorded_world_values_equal_eth_abi() -> None:
    layouts: dict[str, list[Layout]] = {}
    for layout in LAYOUTS:
        layouts.setdefault("0x" + layout.event.topic.hex(), []).append(layout)
    rows: dict[tuple[str, int, int], list[dict[str, Any]]] = {}
    for name in EVENT_TABLES:
        for row in devworld_decoded().tables[name].to_pylist():
            rows.setdefault((name, row["tx"], row["log_index"]), []).append(row)
    checked = 0
    for log in devworld()["logs"]:
        for layout in layouts.get(log["topics"][0], ()):
            role = MAINNET.role_of(bytes.fromhex(log["address"][2:]))
            if layout.roles is None or role not in layout.roles:
                continue
            values = read_log(arguments_of(layout.event), log)
            tx = int(log["blockNumber"], 16) << 16 | int(log["transactionIndex"], 16)
            found = rows[layout.table, tx, int(log["logIndex"], 16)]
            wanted = expected_of(layout, log["address"], values)
            assert [comparable(want, row) for want, row in zip(wanted, found, strict=True)] == [
                {key: value for key, value in row.items() if key not in {"tx", "log_index"}} for row in found
            ]
            checked += 1
    assert checked == 12_223 - devworld_decoded().counts["minor_logs"]


def test_recorded_world_blocks_and_transactions() -> None:
    logs = devworld()["logs"]
    transactions = {row["hash"].hex() for row in devworld_decoded().tables["transactions"].to_pylist()}
    assert transactions == {log["transactionHash"][2:] for log in logs}
    blocks = {
        (row["number"], row["hash"].hex(), row["timestamp"]) for row in devworld_decoded().tables["blocks"].to_pylist()
    }
    assert blocks == {
        (int(log["blockNumber"], 16), log["blockHash"][2:], int(log["blockTimestamp"], 16)) for log in logs
    }


def test_the_order_and_cut_of_the_input_do_not_matter() -> None:
    logs = devworld()["logs"][:3000]
    whole = decode(columns_from_results([to_json(logs)]), MAINNET)
    parts = [to_json(logs[2000:]), to_json([]), to_json(list(reversed(logs[:2000])))]
    cut = decode(columns_from_results(parts), MAINNET)
    assert cut.counts == whole.counts
    assert all(cut.tables[name].equals(whole.tables[name]) for name in SCHEMAS)


def test_all_tables_are_there_when_nothing_is() -> None:
    result = decode(LogColumns.empty(), MAINNET)
    assert {name: table.schema for name, table in result.tables.items()} == SCHEMAS
    assert not any(result.counts.values())
    assert len(columns_from_results([])) == 0
    assert len(columns_from_results([b"[]"])) == 0
