"""A node that refuses, in every way of INTERFACES §8: nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.responses import Response

from polyledger.ctf.contracts import ContractSet
from polyledger.domain.errors import (
    SourceError,
)
from polyledger.net import EndpointPool, HttpClient
from polyledger.sources.chain import ChainSource
from polyledger.sources.chain_ranges import RangeSizer
from tests.scanning import FIRST, LAST, QUICK, Places, made_node, places, scan
from tests.scripted_node import (
    CTF,
    EXCHANGE,
    TRANSFER,
    USDC,
    Node,
    RefusedError,
    Torn,
    hash_of,
    padded,
    serving,
)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (-32602, "Log response size exceeded. This block range should work: [{first:#x}, {last:#x}]"),
        (-32600, "Under the Free tier plan, you can make eth_getLogs requests with up to a 10 block range."),
        (-32005, "query returned more than 10000 results. Try with this block range [{first:#x}, {last:#x}]."),
        (-32000, "query exceeds max block range 10"),
        (-32000, "block range is too wide"),
        (35, "ranges over 10000 blocks are not supported on freetier"),
        (-32000, "is limited to 10 block range"),
        (-32602, "query exceeds max results 20000, retry with the range {first}-{last}"),
        (-32000, "Maximum allowed number of requested blocks is 10"),
        (-32000, "query timeout exceeded"),
        (-32000, "something went wrong"),
    ],
)
@pytest.mark.long
def test_a_node_limited_to_ten_blocks(code: int, message: str) -> None:
    def on_call(method: str, params: list[Any]) -> Any:
        if method == "eth_getLogs":
            first, last = (int(params[0][name], 16) for name in ("fromBlock", "toBlock"))
            if last - first >= 10:
                raise RefusedError(code, message.format(first=first, last=first + 9))

    with serving(made_node(on_call=on_call)) as node:
        assert places(scan(node, sizer=RangeSizer())) == node.expected(FIRST, LAST)
        assert node.requests < 75


def test_a_node_limited_to_few_logs_is_asked_by_address_and_topic() -> None:
    def on_call(method: str, params: list[Any]) -> Any:
        if method == "eth_getLogs":
            first, last = (int(params[0][name], 16) for name in ("fromBlock", "toBlock"))
            if len(node.logs(params[0], first, last)) > 2:
                raise RefusedError(-32005, "query returned more than 2 results")

    def events(number: int) -> list[Any]:
        word = f"{number:064x}"
        prepared = "0xab3760c3bd2bb38b5bcf54dc79802ed67338b4cf29f3054ded67ed24661e4177"
        resolved = "0xb44d84d3289691f71497564b85d4233648d9dbae8cbdbb4329f301c3a0185894"
        split = "0x2e6bb91f8cbcda0c93623c54d0403a43514fabc40084ec96b6d5379a74786298"
        ours = [
            (CTF, [topic, "0x" + word, padded(CTF), "0x" + word], "0x" + word) for topic in (prepared, resolved, split)
        ]
        return [
            *ours,
            (EXCHANGE, [hash_of("fill")], "0x"),
            (USDC, [TRANSFER, padded(EXCHANGE), padded(CTF)], "0x" + word),
        ]

    with serving(made_node(events, last=FIRST + 5, on_call=on_call)) as node:
        assert places(scan(node, span=(FIRST, FIRST + 5))) == node.expected(FIRST, FIRST + 5)


def test_a_block_that_cannot_be_divided_is_an_error_that_quotes_the_node() -> None:
    def on_call(method: str, _params: list[Any]) -> Any:
        if method == "eth_getLogs":
            raise RefusedError(-32005, "query returned more than 0 results")

    with (
        serving(made_node(on_call=on_call)) as node,
        pytest.raises(SourceError, match=r"block 5000.*more than 0 results"),
    ):
        scan(node, span=(FIRST, FIRST + 3))


def test_an_answer_beyond_our_own_cap_is_asked_for_in_parts() -> None:
    async def run(node: Node) -> Places:
        async with HttpClient("chain", largest_answer=60_000) as http:
            pool = EndpointPool.from_urls([node.url], http, policy=QUICK)
            source = ChainSource(pool, ContractSet.mainnet())
            return places([one async for one in source.scan(FIRST, LAST, operators=lambda: ())])

    with serving(made_node()) as node:
        assert asyncio.run(run(node)) == node.expected(FIRST, LAST)


def test_a_proxy_that_cuts_large_answers_off() -> None:
    def after(_number: int, body: bytes) -> Response | None:
        return Torn(body) if len(body) > 60_000 else None

    with serving(made_node(after=after)) as node:
        assert places(scan(node)) == node.expected(FIRST, LAST)


def test_millions_of_empty_blocks_take_few_requests() -> None:
    last = FIRST + 10_000_000
    with serving(made_node(lambda _number: [], last=FIRST, head=last + 200)) as node:
        ranges = scan(node, span=(FIRST, last), sizer=RangeSizer())
        assert not any(len(one.logs) for one in ranges)
        assert node.requests < 30
