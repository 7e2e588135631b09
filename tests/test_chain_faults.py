"""A node that fails, lags, lies or reorganises under the scan: nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from starlette.responses import HTMLResponse, Response

from polyledger.ctf.contracts import ContractSet
from polyledger.domain.errors import (
    SchemaMismatchError,
    UpstreamUnavailableError,
)
from polyledger.net import EndpointPool, HttpClient, RetryPolicy
from polyledger.sources.chain import ChainSource, ReorgDetectedError
from polyledger.sources.chain_ranges import RangeSizer
from tests.scanning import FIRST, LAST, QUICK, made_node, places, scan
from tests.scripted_node import (
    Node,
    RefusedError,
    Torn,
    busy,
    serving,
)


def sparse(number: int) -> list[Any]:
    return busy(number) if number % 97 == 0 else []


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
