"""Logs that fit nothing are kept with the reason, and answers that are no logs are refused."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from polyledger.ctf import events
from polyledger.ctf.contracts import Role
from polyledger.ctf.decode import LAYOUTS, decode
from polyledger.ctf.logs import LogColumns, columns_from_results
from polyledger.ctf.tables import SCHEMAS
from polyledger.domain.errors import InvariantError, SchemaMismatchError
from tests.chain_oracle import make_log, signature, to_json, topic_of
from tests.decoding import BIG, MAINNET, POOL, arguments_of, decoded, devworld, devworld_decoded

STRANGER = "0x" + "77" * 20


def unknown_reason(log: dict[str, Any]) -> str:
    result = decoded(log)
    assert {name: count for name, count in result.counts.items() if count} == {"unknown_logs": 1}
    (row,) = result.tables["unknown_logs"].to_pylist()
    assert row["contract"].hex() == log["address"][2:]
    assert ["0x" + topic.hex() for topic in row["topics"]] == log["topics"]
    assert "0x" + row["data"].hex() == log["data"]
    assert row["tx"] == int(log["blockNumber"], 16) << 16 | int(log["transactionIndex"], 16)
    return str(row["reason"])


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
