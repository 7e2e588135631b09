"""Decoding: every layout against eth-abi, all of a recorded world, and logs that fit nothing."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from functools import cache
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polyledger.ctf import events
from polyledger.ctf.contracts import ContractSet, Role
from polyledger.ctf.decode import LAYOUTS, Decoded, decode
from polyledger.ctf.events import Event
from polyledger.ctf.layouts import Layout
from polyledger.ctf.logs import LogColumns, columns_from_results
from polyledger.ctf.tables import EVENT_TABLES, SCHEMAS
from polyledger.domain.errors import InvariantError, SchemaMismatchError
from tests.chain_oracle import comparable, expected_rows, make_log, read_log, signature, to_json, topic_of
from tests.event_topics import PUBLISHED_TOPICS
from tests.paths import DEVWORLD_LOGS

MAINNET = ContractSet.mainnet()
POOL = "0x" + "99" * 20
STRANGER = "0x" + "77" * 20
BIG = 1 << 63


def arguments_of(event: Event) -> list[tuple[str, str, bool]]:
    return [(argument.name, argument.type, argument.indexed) for argument in event.arguments]


def emitter_of(layout: Layout) -> str:
    if layout.roles is None:
        return POOL
    return next(contract.address for contract in MAINNET.all if contract.role in layout.roles)


def decoded(*logs: dict[str, Any], pools: frozenset[bytes] = frozenset([bytes.fromhex(POOL[2:])])) -> Decoded:
    result = decode(columns_from_results([to_json(logs)]), MAINNET, pools)
    assert sum(result.counts.values()) + result.foreign == len(logs)
    return result


def unknown_reason(log: dict[str, Any]) -> str:
    result = decoded(log)
    assert {name: count for name, count in result.counts.items() if count} == {"unknown_logs": 1}
    (row,) = result.tables["unknown_logs"].to_pylist()
    assert row["contract"].hex() == log["address"][2:]
    assert ["0x" + topic.hex() for topic in row["topics"]] == log["topics"]
    assert "0x" + row["data"].hex() == log["data"]
    assert row["tx"] == int(log["blockNumber"], 16) << 16 | int(log["transactionIndex"], 16)
    return str(row["reason"])


def test_every_topic_is_the_published_one() -> None:
    ours = {event.signature: "0x" + event.topic.hex() for event in vars(events).values() if isinstance(event, Event)}
    ours |= {text: topic_of(text) for text in events.MINOR_SIGNATURES}
    assert {key: PUBLISHED_TOPICS[key] for key in ours if key in PUBLISHED_TOPICS} == {
        key: value for key, value in ours.items() if key in PUBLISHED_TOPICS
    }
    assert set(PUBLISHED_TOPICS) <= set(ours)


AMOUNTS = st.one_of(st.integers(0, BIG - 1), st.sampled_from([0, 1, BIG - 1]))
WORDS = st.binary(min_size=32, max_size=32)
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


# --- the recorded world


@cache
def devworld() -> dict[str, Any]:
    with gzip.open(DEVWORLD_LOGS) as file:
        return json.load(file)  # type: ignore[no-any-return]


@cache
def devworld_decoded() -> Decoded:
    return decode(columns_from_results([to_json(devworld()["logs"])]), MAINNET)


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


# --- logs that fit nothing


def a_transfer(**changes: Any) -> dict[str, Any]:
    values = {"sender": STRANGER, "recipient": POOL, "amount": 5, **changes}
    address = MAINNET.with_role(Role.COLLATERAL)[0].address
    return make_log("Transfer", arguments_of(events.ERC20_TRANSFER), values, address)


def a_split(**changes: Any) -> dict[str, Any]:
    values = {"stakeholder": STRANGER, "collateral": STRANGER, "parent": bytes(32), "condition": b"c" * 32}
    values |= {"partition": [1, 2], "amount": 5, **changes}
    address = MAINNET.with_role(Role.CONDITIONAL_TOKENS)[0].address
    return make_log("PositionSplit", arguments_of(events.POSITION_SPLIT), values, address)


def a_batch(**changes: Any) -> dict[str, Any]:
    values = {"operator": STRANGER, "sender": STRANGER, "recipient": POOL, "tokens": [1, 2], "amounts": [3, 4]}
    address = MAINNET.with_role(Role.CONDITIONAL_TOKENS)[0].address
    return make_log("TransferBatch", arguments_of(events.TRANSFER_BATCH), {**values, **changes}, address)


def with_words(log: dict[str, Any], **words: int) -> dict[str, Any]:
    data = bytearray.fromhex(log["data"][2:])
    for key, value in words.items():
        slot = int(key.removeprefix("w"))
        data[slot * 32 : slot * 32 + 32] = value.to_bytes(32, "big")
    return {**log, "data": "0x" + data.hex()}


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (a_transfer(amount=BIG), "amount is 2^63 or more"),
        (a_transfer(amount=(1 << 256) - 1), "amount is 2^63 or more"),
        ({**a_transfer(), "data": "0x"}, "the data does not fit the layout"),
        ({**a_transfer(), "data": "0x" + "00" * 64}, "the data does not fit the layout"),
        ({**a_transfer(), "data": "0x" + "00" * 31}, "the data is not whole words"),
        ({**a_transfer(), "topics": a_transfer()["topics"][:2]}, "3 topics expected"),
        ({**a_transfer(), "topics": [*a_transfer()["topics"][:2], "0x" + "01" * 32]}, "recipient is not an address"),
        (a_split(partition=[1, 6]), "the partition is not into single outcomes"),
        (a_split(partition=[2, 1]), "the partition is not into single outcomes"),
        (a_split(partition=[1]), "the partition is not into single outcomes"),
        (a_split(partition=[]), "the partition is not into single outcomes"),
        (a_split(partition=[1, 1 << 200]), "partition holds 2^63 or more"),
        (a_split(parent=b"p" * 32), "a position within another position is not supported"),
        (a_split(amount=BIG), "amount is 2^63 or more"),
        (with_words(a_split(), w1=128), "the data does not fit the layout"),
        (with_words(a_split(), w1=1 << 200), "the data does not fit the layout"),
        (with_words(a_split(), w3=3), "the data does not fit the layout"),
        (with_words(a_split(), w3=1), "the data does not fit the layout"),
        (with_words(a_split(), w3=(1 << 255) + 2), "the data does not fit the layout"),
        (a_batch(amounts=[3]), "tokens and amounts differ in number"),
        (a_batch(tokens=[3]), "tokens and amounts differ in number"),
        (a_batch(tokens=[]), "tokens and amounts differ in number"),
        (a_batch(amounts=[3, BIG]), "amounts holds 2^63 or more"),
        ({**a_split(), "topics": ["0x" + "ab" * 32]}, "layout not known"),
        ({**a_split(), "topics": []}, "layout not known"),
        ({**a_split(), "address": MAINNET.with_role(Role.EXCHANGE_V1)[0].address}, "not an event of this contract"),
    ],
)
def test_a_log_that_does_not_fit_is_kept_with_the_reason(log: dict[str, Any], reason: str) -> None:
    assert reason in unknown_reason(log)


def test_an_order_must_have_collateral_on_one_side() -> None:
    values = {"order_hash": b"o" * 32, "maker": STRANGER, "taker": POOL, "maker_amount": 1, "taker_amount": 2, "fee": 0}
    address = MAINNET.with_role(Role.EXCHANGE_V1)[0].address
    for assets in ({"maker_asset": 0, "taker_asset": 0}, {"maker_asset": 5, "taker_asset": 6}):
        log = make_log("OrderFilled", arguments_of(events.ORDER_FILLED_V1), {**values, **assets}, address)
        assert "exactly one of the two assets must be collateral" in unknown_reason(log)


def test_bad_logs_do_not_disturb_good_ones() -> None:
    logs = [
        a_batch(),
        a_batch(amounts=[1]),
        a_split(),
        a_split(partition=[3]),
        a_batch(tokens=[7], amounts=[8]),
        {**a_transfer(), "data": "0x00"},
        a_transfer(amount=9),
        with_words(a_split(), w3=77),
    ]
    logs = [{**log, "logIndex": hex(index)} for index, log in enumerate(logs)]
    result = decoded(*logs)
    assert result.tables["share_transfers"].select(["log_index", "item", "amount"]).to_pylist() == [
        {"log_index": 0, "item": 0, "amount": 3},
        {"log_index": 0, "item": 1, "amount": 4},
        {"log_index": 4, "item": 0, "amount": 8},
    ]
    assert result.tables["position_changes"]["log_index"].to_pylist() == [2]
    assert result.tables["collateral_transfers"]["amount"].to_pylist() == [9]
    assert result.tables["unknown_logs"]["log_index"].to_pylist() == [1, 3, 5, 7]


def test_a_batch_of_nothing_is_minor() -> None:
    assert decoded(a_batch(tokens=[], amounts=[])).counts["minor_logs"] == 1


def test_foreign_logs_are_counted_not_kept() -> None:
    result = decoded({**a_transfer(), "address": STRANGER})
    assert result.foreign == 1
    assert len(result.tables["transactions"]) == 0


def test_a_pool_counts_when_its_creation_is_in_the_batch() -> None:
    trade = {"trader": STRANGER, "collateral": 100, "fee": 2, "outcome_index": 1, "shares": 150}
    buy = make_log("FPMMBuy", arguments_of(events.FPMM_BUY), trade, POOL, log_index=1)
    factory = MAINNET.with_role(Role.FPMM_FACTORY)[0].address
    creation = {"creator": STRANGER, "pool": POOL, "conditional_tokens": STRANGER, "collateral": STRANGER}
    creation |= {"conditions": [b"c" * 32], "fee": 10**16}
    made = make_log("FixedProductMarketMakerCreation", arguments_of(events.FPMM_CREATION), creation, factory)
    assert decoded(buy, pools=frozenset()).foreign == 1
    assert decoded(buy, made, pools=frozenset()).counts["amm_trades"] == 1
    forged = {**made, "address": STRANGER}
    assert decoded(buy, forged, pools=frozenset()).foreign == 2


def test_two_hashes_for_one_block_are_refused() -> None:
    other = {**a_transfer(), "logIndex": "0x1", "blockHash": "0x" + "ee" * 32}
    with pytest.raises(InvariantError, match="one block"):
        decoded(a_transfer(), other)


# --- the wire form


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"blockNumber": "100"}, "blockNumber"),
        ({"blockNumber": "0x"}, "blockNumber"),
        ({"blockNumber": "0x-1"}, "blockNumber"),
        ({"logIndex": "0xzz"}, "logIndex"),
        ({"transactionIndex": "0x10000"}, "transactionIndex"),
        ({"address": "0x12"}, "address"),
        ({"address": "0x" + "g" * 40}, "address"),
        ({"topics": ["0x" + "00" * 31]}, "topics"),
        ({"topics": ["0x" + "00" * 32] * 5}, "topics"),
        ({"data": "0x123"}, "data"),
        ({"data": "1234"}, "data"),
        ({"data": "0x12é4"}, "data"),
        ({"data": "0x120x34"}, "data"),
        ({"blockHash": None}, "blockHash"),
        ({"transactionHash": "0x" + "A" * 63}, "transactionHash"),
        ({"blockTimestamp": "soon"}, "blockTimestamp"),
    ],
)
def test_a_malformed_answer_names_the_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(SchemaMismatchError, match=field):
        columns_from_results([to_json([a_transfer(), {**a_transfer(), **changes}])])


@pytest.mark.parametrize("body", [b"", b"null", b"{}", b"[1]", b"[{}]", b'[{"address":', b"\xff"])
def test_something_else_than_logs_is_refused(body: bytes) -> None:
    with pytest.raises(SchemaMismatchError):
        columns_from_results([body])


def test_columns_concat_sort_and_take() -> None:
    logs = devworld()["logs"][:50]
    columns = columns_from_results([to_json(logs)])
    mixed = LogColumns.concat([columns.take(columns.log_index % 2 == 1), columns.take(columns.log_index % 2 == 0)])
    again = mixed.sort()
    assert [again.data_of(i) for i in range(50)] == [bytes.fromhex(log["data"][2:]) for log in logs]
    assert again.block.tolist() == [int(log["blockNumber"], 16) for log in logs]
    removed = columns_from_results([to_json([{**logs[0], "removed": True}, logs[1]])])
    assert removed.removed.tolist() == [True, False]
    no_time = {key: value for key, value in logs[0].items() if key != "blockTimestamp"}
    assert columns_from_results([to_json([no_time, logs[0]])]).timestamp.tolist() == [-1, 0x65920080]
    assert decode(columns_from_results([to_json([no_time])]), MAINNET).tables["blocks"]["timestamp"].null_count == 1


def test_declared_signatures_hash_as_eth_utils_does() -> None:
    for layout in LAYOUTS:
        assert "0x" + layout.event.topic.hex() == topic_of(signature(layout.event.name, arguments_of(layout.event)))


def test_tables_hold_no_nulls_where_the_schema_forbids_them() -> None:
    for name, table in devworld_decoded().tables.items():
        for field in SCHEMAS[name]:
            column: pa.ChunkedArray = table[field.name]
            assert field.nullable or column.null_count == 0, (name, field.name)
