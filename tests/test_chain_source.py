"""The chain source against a node on loopback: what a scan delivers, head, headers and receipts."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from polyledger.ctf.contracts import ContractSet
from polyledger.ctf.logs import LogColumns
from polyledger.net import EndpointPool, HttpClient
from polyledger.sources.chain import ChainSource, ScannedRange
from polyledger.sources.chain_ranges import RangeSizer
from tests.scanning import FIRST, LAST, made_node, places, scan
from tests.scripted_node import (
    EXCHANGE,
    NEW_OPERATOR,
    OPERATOR,
    Node,
    busy,
    padded,
    serving,
)


def test_a_scan_delivers_exactly_what_concerns_the_protocol() -> None:
    with serving(made_node()) as node:
        ranges = scan(node)
        assert places(ranges) == node.expected(FIRST, LAST)
    logs = LogColumns.concat([one.logs for one in ranges])
    assert (logs.timestamp == 1_700_000_000 + 2 * logs.block).all()
    assert sum(one.requests for one in ranges) <= 4
    assert not any(one.bodies for one in ranges)


def test_the_answers_themselves_are_handed_out_when_asked_for() -> None:
    with serving(made_node()) as node:
        ranges = scan(node, keep_bodies=True)
    for one in ranges:
        assert all(one.from_block <= answer.from_block <= answer.to_block <= one.to_block for answer in one.bodies)
        results = [member.get("result") for answer in one.bodies for member in json.loads(answer.body)]
        kept = {
            (int(log["blockNumber"], 16), int(log["logIndex"], 16))
            for result in results
            if isinstance(result, list)
            for log in result
        }
        assert {
            (int(block), int(index)) for block, index in zip(one.logs.block, one.logs.log_index, strict=True)
        } <= kept


def test_all_transfers_of_collateral_on_request() -> None:
    with serving(made_node()) as node:
        found = places(scan(node, collateral_transfers="all"))
    assert len(found) == 200 * 8  # all but the foreign contract's


def test_a_span_that_is_empty_makes_no_requests() -> None:
    async def run(node: Node) -> list[ScannedRange]:
        async with HttpClient("chain") as http:
            source = ChainSource(EndpointPool.from_urls([node.url], http), ContractSet.mainnet())
            return [one async for one in source.scan(10, 9, operators=lambda: ())]

    with serving(made_node()) as node:
        assert asyncio.run(run(node)) == []
        assert node.requests == 0


def test_timestamps_come_from_headers_where_logs_have_none() -> None:
    node = made_node()
    node.chain.timestamps = False
    with serving(node):
        ranges = scan(node)
    for one in ranges:
        assert (one.logs.timestamp == 1_700_000_000 + 2 * one.logs.block).all()
        assert one.timestamps[one.from_block] == 1_700_000_000 + 2 * one.from_block


@pytest.mark.parametrize("size", [1, 7, 64, 1_000])
def test_an_operator_counts_from_the_block_that_names_it(size: int) -> None:
    def events(number: int) -> list[Any]:
        naming = [(EXCHANGE, [NEW_OPERATOR, padded(OPERATOR), padded("0x" + "ad" * 20)], "0x")]
        return (naming if number == FIRST + 50 else []) + busy(number)

    with serving(made_node(events)) as node:
        found = places(scan(node, sizer=RangeSizer(start=size, target=size * 9)))
        assert found == node.expected(FIRST, LAST, {OPERATOR: FIRST + 50})


def test_operators_known_before_count_throughout() -> None:
    with serving(made_node()) as node:
        found = places(scan(node, operators=lambda: [bytes.fromhex(OPERATOR[2:])]))
        assert found == node.expected(FIRST, LAST, {OPERATOR: 0})


def test_stopping_early_ends_the_requests() -> None:
    async def run(node: Node) -> None:
        async with HttpClient("chain") as http:
            source = ChainSource(
                EndpointPool.from_urls([node.url], http), ContractSet.mainnet(), sizer=RangeSizer(start=2, target=10)
            )
            ranges = source.scan(FIRST, LAST, operators=lambda: ())
            first = await anext(ranges)
            await ranges.aclose()
            assert first.from_block == FIRST
            await asyncio.sleep(0.05)
            assert len(asyncio.all_tasks()) == 1

    with serving(made_node()) as node:
        asyncio.run(run(node))
        assert node.requests < 12
