"""The chain source against a node on loopback that plays every trick of INTERFACES §8: nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from starlette.responses import HTMLResponse, Response

from polyledger.ctf.contracts import ContractSet
from polyledger.ctf.logs import LogColumns
from polyledger.domain.errors import (
    SchemaMismatchError,
    SourceError,
    UpstreamUnavailableError,
    WrongChainError,
)
from polyledger.net import EndpointPool, HttpClient, RetryPolicy
from polyledger.sources.chain import ChainSource, Head, ReorgDetectedError, ScannedRange
from polyledger.sources.chain_ranges import RangeSizer
from tests.scripted_node import (
    CTF,
    EXCHANGE,
    NEW_OPERATOR,
    OPERATOR,
    TRANSFER,
    USDC,
    MadeChain,
    Node,
    RefusedError,
    Torn,
    busy,
    hash_of,
    padded,
    serving,
)

QUICK = RetryPolicy(attempts=25, wait_initial=0.002, wait_max=0.01)
FIRST, LAST = 5_000, 5_199
Places = list[tuple[int, int]]


def made_node(events: Callable[[int], Any] = busy, *, last: int = LAST, **changes: Any) -> Node:
    return Node(MadeChain(FIRST, last, events), **changes)


def sparse(number: int) -> list[Any]:
    return busy(number) if number % 97 == 0 else []


def places(ranges: Sequence[ScannedRange]) -> Places:
    return [
        (int(block), int(log_index))
        for scanned in ranges
        for block, log_index in zip(scanned.logs.block, scanned.logs.log_index, strict=True)
    ]


async def scanned(
    *nodes: Node,
    span: tuple[int, int] = (FIRST, LAST),
    operators: Callable[[], Sequence[bytes]] = lambda: (),
    sizer: RangeSizer | None = None,
    policy: RetryPolicy = QUICK,
    **options: Any,
) -> list[ScannedRange]:
    async with HttpClient("chain") as http:
        pool = EndpointPool.from_urls([node.url for node in nodes], http, policy=policy)
        source = ChainSource(pool, ContractSet.mainnet(), sizer=sizer or RangeSizer(start=64), **options)
        ranges = [one async for one in source.scan(*span, operators=operators)]
    assert ranges[0].from_block == span[0]
    assert ranges[-1].to_block == span[1]
    for before, after in pairwise(ranges):
        assert after.from_block == before.to_block + 1
        assert after.first.parent_hash == before.last.hash
    return ranges


def scan(*nodes: Node, **options: Any) -> list[ScannedRange]:
    return asyncio.run(scanned(*nodes, **options))


def with_source(node: Node, ask: Callable[[ChainSource], Any], policy: RetryPolicy = QUICK) -> Any:
    async def run() -> Any:
        async with HttpClient("chain") as http:
            return await ask(
                ChainSource(EndpointPool.from_urls([node.url], http, policy=policy), ContractSet.mainnet())
            )

    return asyncio.run(run())


# --- what a scan delivers


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


# --- refusals


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


# --- faults


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_bad_quarter_of_an_hour(shuffle: bool) -> None:
    chance = random.Random(7)
    fault = 0

    def before(number: int, _calls: list[dict[str, Any]]) -> Response | None:
        nonlocal fault
        fault = chance.randrange(16) if number > 1 else 16
        faults: dict[int, Response] = {
            0: Response("slow down", status_code=429, headers={"Retry-After": "0.01"}),
            1: Response("", status_code=429, headers={"Retry-After": "Sat, 01 Jan 2000 00:00:00 GMT"}),
            2: HTMLResponse("<h1>Bad gateway</h1>", status_code=502),
            3: Torn(b"", reset=True),
            4: HTMLResponse("<html>checking your browser</html>"),
        }
        return faults.get(fault)

    def after(_number: int, body: bytes) -> Response | None:
        return {5: Torn(body), 6: Torn(body, honest_length=True)}.get(fault)

    def on_call(_method: str, _params: list[Any]) -> Any:
        dice = chance.random()
        if dice < 0.02:
            raise RefusedError(429, "Your app has exceeded its compute units per second capacity.")
        return [None] if dice > 0.98 else None

    with serving(made_node(before=before, after=after, on_call=on_call, shuffle=shuffle)) as node:
        found = places(scan(node, sizer=RangeSizer(start=5, target=45)))
        assert found == node.expected(FIRST, LAST)


def test_a_node_without_batches() -> None:
    with serving(made_node(takes_batches=False)) as node:
        assert places(scan(node)) == node.expected(FIRST, LAST)


def test_a_lagging_node_behind_a_load_balancer() -> None:
    def before(number: int, _calls: list[dict[str, Any]]) -> Response | None:
        node.head = FIRST + 20 if number % 3 else LAST + 5
        return None

    with serving(made_node(before=before)) as node:
        assert places(scan(node)) == node.expected(FIRST, LAST)


def test_a_node_that_never_gets_there_is_given_up_with_its_head() -> None:
    policy = RetryPolicy(attempts=4, wait_initial=0.002, wait_max=0.01)
    with serving(made_node(head=FIRST + 20)) as node, pytest.raises(UpstreamUnavailableError, match="at block 5020"):
        scan(node, policy=policy)


@pytest.mark.parametrize("blooms", [True, False])
def test_falsely_empty_answers_are_looked_at_again(blooms: bool) -> None:
    highest = FIRST - 1

    def on_call(method: str, params: list[Any]) -> Any:
        nonlocal highest
        if method != "eth_getLogs":
            return None
        last = int(params[0]["toBlock"], 16)
        is_first = last > highest
        if "address" not in params[0]:
            highest = max(highest, last)  # the last query of a range
        return [[]] if is_first else None

    node = made_node(sparse, on_call=on_call)
    node.chain.blooms = blooms
    with serving(node):
        assert places(scan(node, sizer=RangeSizer(start=16, target=400))) == node.expected(FIRST, LAST)


def test_a_second_opinion_comes_from_another_endpoint() -> None:
    def on_call(method: str, _params: list[Any]) -> Any:
        return [[]] if method == "eth_getLogs" and node.requests < 4 else None

    with serving(made_node(sparse, on_call=on_call)) as node, serving(made_node(sparse)) as other:
        assert places(scan(node, other, sizer=RangeSizer())) == other.expected(FIRST, LAST)
        assert other.calls["eth_getLogs"] > 0


def test_a_node_that_is_blind_for_good_is_not_believed() -> None:
    blind = made_node(sparse, on_call=lambda method, _params: [[]] if method == "eth_getLogs" else None)
    policy = RetryPolicy(attempts=4, wait_initial=0.002, wait_max=0.01)
    with serving(blind), serving(made_node(sparse)) as other:
        # Until its circuit opens, the first endpoint is preferred; then the other one answers.
        assert places(scan(blind, other, policy=policy)) == other.expected(FIRST, LAST)


def test_single_blocks_whose_bloom_excludes_us_need_no_second_look() -> None:
    with serving(made_node(lambda _number: [])) as node:
        scan(node, span=(FIRST, FIRST), sizer=RangeSizer())
        assert node.requests == 2  # the chain id, the block


def test_an_ignored_filter_is_a_schema_mismatch() -> None:
    def on_call(method: str, params: list[Any]) -> Any:
        return [node.chain.logs(FIRST)] if method == "eth_getLogs" else None

    with serving(made_node(on_call=on_call)) as node, pytest.raises(SchemaMismatchError, match="not asked for"):
        scan(node)


# --- reorganisations


def test_a_chain_that_changes_under_the_scan_is_reported() -> None:
    def before(_number: int, calls: list[dict[str, Any]]) -> Response | None:
        for call in calls:
            if call["method"] == "eth_getLogs" and int(call["params"][0]["fromBlock"], 16) > FIRST + 100:
                node.chain.branch, node.chain.forks_at = "other", FIRST + 90
        return None

    async def run(node: Node) -> tuple[list[int], int]:
        ends: list[int] = []
        async with HttpClient("chain") as http:
            pool = EndpointPool.from_urls([node.url], http, policy=QUICK)
            source = ChainSource(pool, ContractSet.mainnet(), sizer=RangeSizer(start=20, target=100), max_concurrency=1)
            try:
                async for one in source.scan(FIRST, LAST, operators=lambda: ()):
                    ends.append(one.to_block)  # noqa: PERF401 - what came before the error counts
            except ReorgDetectedError as error:
                return ends, error.number
        raise AssertionError("the reorganisation went unnoticed")

    with serving(made_node(before=before)) as node:
        ends, number = asyncio.run(run(node))
    assert number == ends[-1]
    assert number >= FIRST + 90


def test_logs_of_another_branch_than_the_header_are_asked_for_again() -> None:
    def on_call(method: str, _params: list[Any]) -> Any:
        # The first answers come from a node on a branch that is about to die.
        node.chain.branch = "dying" if method == "eth_getLogs" and node.requests < 4 else "main"

    node = made_node(on_call=on_call)
    node.chain.forks_at = FIRST
    with serving(node):
        ranges = scan(node, span=(FIRST, FIRST + 3))
        assert places(ranges) == node.expected(FIRST, FIRST + 3)
        assert {one.tobytes().hex() for one in ranges[0].logs.block_hash} == {
            node.chain.hash(number)[2:] for number in range(FIRST, FIRST + 4)
        }


# --- head, headers, receipts


def test_the_head_with_and_without_the_finalized_tag() -> None:
    with serving(made_node(finalized=LAST - 5)) as node:
        assert with_source(node, lambda source: source.head()) == Head(LAST, LAST - 5, finalized_known=True)
        assert node.requests == 1
    with serving(made_node()) as node:
        assert with_source(node, lambda source: source.head()) == Head(LAST, LAST - 128, finalized_known=False)
    with serving(made_node(head=20)) as node:
        assert with_source(node, lambda source: source.head()) == Head(20, 0, finalized_known=False)


def test_another_chain_is_refused_before_anything_is_read() -> None:
    with serving(made_node(chain_id=1)) as node:
        for ask in (ChainSource.check, ChainSource.head, lambda source: source.headers([FIRST])):
            with pytest.raises(WrongChainError, match="serves chain 1"):
                with_source(node, ask)
        assert node.calls["eth_getLogs"] == 0


def test_headers_leave_out_blocks_that_nobody_has() -> None:
    with serving(made_node()) as node:
        headers = with_source(node, lambda source: source.headers([FIRST, LAST, LAST + 1]))
    assert sorted(headers) == [FIRST, LAST]
    assert "0x" + headers[LAST].hash.hex() == node.chain.hash(LAST)
    assert headers[LAST].timestamp == 1_700_000_000 + 2 * LAST


def test_receipts_hold_all_logs_of_their_transactions() -> None:
    wanted = [bytes.fromhex(hash_of("tx", number, 1)[2:]) for number in range(FIRST, FIRST + 120)]
    with serving(made_node()) as node:
        logs = with_source(node, lambda source: source.receipts(wanted))
        assert len(logs) == 3 * 120
        assert {one.tobytes() for one in logs.transaction_hash} == set(wanted)
        assert node.requests <= 4


def test_a_node_without_receipts_is_told() -> None:
    def on_call(method: str, _params: list[Any]) -> Any:
        if method == "eth_getTransactionReceipt":
            raise RefusedError(-32601, "the method eth_getTransactionReceipt does not exist/is not available")

    with serving(made_node(on_call=on_call)) as node, pytest.raises(SourceError, match="does not offer"):
        with_source(node, lambda source: source.receipts([bytes(32)]))
