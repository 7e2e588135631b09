"""The subgraphs over real sockets: as of a block, errors inside an answer of status 200, nothing past the head."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from polyledger.domain.errors import SchemaMismatchError, SourceError, UpstreamUnavailableError
from polyledger.domain.records import Kind, Lookup, MarketState
from polyledger.net import GraphQlError, HttpClient, RetryPolicy
from polyledger.replica.faults import Faults, HttpFaults, MarketFaults
from polyledger.replica.server import serve
from polyledger.replica.world import load_world
from polyledger.sources.lookups import one_by_one
from polyledger.sources.subgraph import SubgraphSource
from tests.scripted_server import scripted

ItemT = TypeVar("ItemT")
CONDITION = "0x" + "0c" * 32


def collect(url: str, use: Callable[[SubgraphSource], AsyncIterator[ItemT]]) -> list[ItemT]:
    async def run() -> list[ItemT]:
        policy = RetryPolicy(attempts=8, wait_initial=0.001, wait_max=0.01)
        async with HttpClient("subgraph", policy=policy) as client:
            return [item async for item in use(SubgraphSource(client, url))]

    return asyncio.run(run())


def look_up(url: str, kind: Kind, keys: list[str]) -> list[Any]:
    return collect(url, lambda source: one_by_one(source.look_up(kind, keys)))


def ask(handler: Callable[[Request], Response], keys: list[str], kind: Kind = Kind.TOKEN) -> list[Any]:
    with scripted(handler) as server:
        return look_up(server.url, kind, keys)


def answer(rows: list[dict[str, Any]], block: int = 100, *, errors: bool = False) -> Response:
    meta = {"block": {"number": block, "timestamp": 1}, "hasIndexingErrors": errors}
    return JSONResponse({"data": {"_meta": meta, "rows": rows}})


def row(token: str, **changes: Any) -> dict[str, Any]:
    return {"id": token, "condition": CONDITION, "outcomeIndex": "1"} | changes


def keys_of(request: Request) -> list[str]:
    found = re.search(r"id_in: (\[.*?\])", query_of(request))
    assert found is not None
    return json.loads(found[1])


def query_of(request: Request) -> str:
    return json.loads(request.state.body)["query"]


def test_tokens_are_found_and_what_is_missing_is_missing_up_to_a_block() -> None:
    answers = {one.key: one for one in ask(lambda _: answer([row("5")]), ["5", "6"])}
    assert answers["5"].record.condition_id == CONDITION
    assert answers["5"].record.outcome_index == 1
    assert answers["6"].state is Lookup.NOT_FOUND
    assert answers["6"].reason == "unknown up to block 100"
    (piece,) = answers["5"].evidence
    assert json.loads(piece.body)["data"]["_meta"]["block"]["number"] == 100
    assert any(name == "query" for name, _ in piece.params)


def test_errors_in_an_answer_of_status_200_are_errors() -> None:
    document = {"data": None, "errors": [{"message": "Type `Query` has no field `marketDatas`"}]}
    with pytest.raises(GraphQlError, match="has no field"):
        ask(lambda _: JSONResponse(document), ["5"])
    partial = {"data": {"rows": [row("5")]}, "errors": [{"message": "Null value resolved for non-null field"}]}
    with pytest.raises(GraphQlError, match="Null value"):
        ask(lambda _: JSONResponse(partial), ["5"])


def test_an_error_that_passes_is_asked_again() -> None:
    tries = []

    def handler(_: Request) -> Response:
        tries.append(1)
        if len(tries) < 3:
            return JSONResponse({"errors": [{"message": "Store error: database unavailable"}]})
        return answer([row("5")])

    assert ask(handler, ["5"])[0].state is Lookup.FOUND
    with pytest.raises(UpstreamUnavailableError, match="database unavailable"):
        ask(lambda _: JSONResponse({"errors": [{"message": "Store error: database unavailable"}]}), ["5"])


def test_indexing_errors_and_a_missing_block_refuse_the_whole_answer() -> None:
    with pytest.raises(SourceError, match="indexing errors"):
        ask(lambda _: answer([row("5")], errors=True), ["5"])
    with pytest.raises(SchemaMismatchError, match="'_meta'"):
        ask(lambda _: JSONResponse({"data": {"rows": []}}), ["5"])
    with pytest.raises(SchemaMismatchError, match="'condition' is missing or null in every one"):
        ask(lambda _: answer([row("5", condition=None)]), ["5"])


def test_too_many_keys_are_halved_and_strangers_are_refused() -> None:
    def handler(request: Request) -> Response:
        asked = keys_of(request)
        if len(asked) > 100:
            return JSONResponse({"error": "payload too large"}, 413)
        return answer([row(key) for key in asked])

    keys = [str(number) for number in range(1, 701)]
    assert sorted(int(one.key) for one in ask(handler, keys)) == [int(key) for key in keys]
    states = {one.key: (one.state, one.asked) for one in ask(lambda _: answer([row("9")]), ["5"])}
    assert states == {"5": (Lookup.REFUSED, True), "9": (Lookup.REFUSED, False)}


@pytest.mark.parametrize(
    ("numerators", "denominator", "payouts"),
    [(["1", "0"], "1", (1_000_000, 0)), (["1", "1", "2"], "4", (250_000, 250_000, 500_000)), ([], "0", None)],
)
def test_payouts_are_scaled_and_an_open_condition_has_none(
    numerators: list[str], denominator: str, payouts: tuple[int, ...] | None
) -> None:
    rows = [{"id": CONDITION, "payoutNumerators": numerators, "payoutDenominator": denominator}]
    (one,) = ask(lambda _: answer(rows), [CONDITION], Kind.RESOLUTION)
    assert (one.record and one.record.settlement.payouts) == payouts
    if payouts is None:
        assert (one.state, one.reason) == (Lookup.NOT_FOUND, "without a payout up to block 100")


def test_a_walk_is_pinned_to_its_block_and_goes_on_from_its_cursor() -> None:
    ids = sorted(str(number) for number in range(1, 2_501))
    blocks = []

    def handler(request: Request) -> Response:
        last, block = (re.search(f'{name}: "?([0-9]*)', query_of(request)) for name in ("id_gt", "{number"))
        blocks.append(block and int(block[1]))
        if last is None:
            return answer([])
        return answer([row(one) for one in ids if one > last[1]][:1_000], block=100 + len(blocks))

    with scripted(handler) as server:
        pages = collect(server.url, lambda source: source.walk("tokens"))
        rest = collect(server.url, lambda source: source.walk("tokens", cursor=pages[0].next_cursor))
    assert [one.key for page in pages for one in page.answers] == ids
    assert [one.key for page in rest for one in page.answers] == ids[1_000:]
    assert blocks == [None, 100, 100, 100, 100, 100]
    with scripted(lambda _: answer([row("5"), row("4")])) as server, pytest.raises(SourceError, match="order by id"):
        collect(server.url, lambda source: source.walk("tokens"))
    with scripted(lambda _: answer([row("5")], block=7)) as server, pytest.raises(SourceError, match="was at 100"):
        collect(server.url, lambda source: source.walk("tokens", cursor="100:1"))


@pytest.mark.parametrize("http", [HttpFaults(), HttpFaults(too_many_requests=0.2, server_errors=0.1, truncated=0.1)])
def test_the_recorded_world_up_to_its_frozen_head(http: HttpFaults) -> None:
    world = load_world(None)
    markets = [market for market in world.markets or () if len(market.token_ids) == 2]
    tokens = {token: (market.condition_id, at) for market in markets for at, token in enumerate(market.token_ids)}
    with serve(world, faults=Faults(seed=3, http=http)) as url:
        base = url + "/subgraph"
        found = look_up(base, Kind.TOKEN, list(tokens))
        walked = collect(base, lambda source: source.walk("tokens"))
        resolved = look_up(base, Kind.RESOLUTION, [market.condition_id for market in markets])
    named = {one.key: (one.record.condition_id, one.record.outcome_index) for one in found if one.record}
    assert named
    assert named == {token: tokens[token] for token in named}
    assert {one.key for page in walked for one in page.answers} == set(named)
    assert {one.record.settlement.state for one in resolved if one.record} >= {MarketState.RESOLVED}
    with serve(world, faults=Faults(markets=MarketFaults(subgraph_head=1))) as url:
        early = look_up(url + "/subgraph", Kind.TOKEN, list(tokens)[:2])
    assert {(one.state, one.reason) for one in early} == {(Lookup.NOT_FOUND, "unknown up to block 1")}
