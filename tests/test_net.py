"""The HTTP client, JSON-RPC and fail-over, over real sockets."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import anyio
import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from polyledger.domain.errors import (
    ConfigurationError,
    NotJsonRpcError,
    RateLimitedError,
    SourceError,
    UpstreamUnavailableError,
)
from polyledger.net import (
    AnswerTooLargeError,
    Call,
    EndpointPool,
    HttpClient,
    JsonRpcClient,
    RetryPolicy,
)
from tests.scripted_node import MadeChain, Node, RefusedError, Torn, busy, serving
from tests.scripted_server import scripted

QUICK = RetryPolicy(attempts=6, wait_initial=0.005, wait_max=0.02)


def made_node(**changes: Any) -> Node:
    return Node(MadeChain(1_000, 1_100, busy), **changes)


def test_fetch_waits_and_asks_again() -> None:
    answers = iter(
        [
            Response("busy", status_code=429, headers={"Retry-After": "0.05"}),
            HTMLResponse("<h1>Bad gateway</h1>", status_code=502),
            JSONResponse({"fine": True}),
        ]
    )
    with scripted(lambda _request: next(answers)) as server:

        async def run() -> tuple[bytes, int]:
            async with HttpClient("gamma", policy=QUICK) as http:
                answer = await http.fetch("GET", server.url, params=[("id", "1"), ("id", "2")])
                return answer.body, http.requests

        body, requests = asyncio.run(run())
    assert body == b'{"fine":true}'
    assert requests == 3
    assert server.values("id") == [["1", "2"]] * 3


def test_retries_write_nothing_to_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    with scripted(lambda _request: HTMLResponse("", status_code=503)) as server:

        async def run() -> None:
            async with HttpClient("gamma", policy=QUICK) as http:
                await http.fetch("GET", server.url)

        with pytest.raises(UpstreamUnavailableError):
            asyncio.run(run())
    assert capfd.readouterr().out == ""


def test_fetch_gives_up_with_the_last_reason() -> None:
    with scripted(lambda _request: HTMLResponse("<h1>Overloaded</h1>", status_code=503)) as server:

        async def run() -> None:
            async with HttpClient("gamma", policy=QUICK) as http:
                await http.fetch("GET", f"{server.url}/markets?apikey=verysecret")

        with pytest.raises(UpstreamUnavailableError, match=r"gamma source failed 6 times.*503.*Overloaded") as caught:
            asyncio.run(run())
    assert "verysecret" not in str(caught.value)


def test_an_answer_beyond_the_cap_is_refused() -> None:
    with scripted(lambda _request: Response(b"x" * 100_000)) as server:

        async def run() -> None:
            async with HttpClient("gamma", largest_answer=50_000) as http:
                await http.fetch("GET", server.url)

        with pytest.raises(AnswerTooLargeError):
            asyncio.run(run())


def test_the_client_says_who_it_is() -> None:
    seen: list[str] = []

    def handler(request: Request) -> Response:
        seen.append(request.headers["user-agent"])
        return Response("OK")

    async def run(url: str) -> None:
        async with HttpClient("gamma") as http:
            await http.fetch("GET", url)

    with scripted(handler) as server:
        asyncio.run(run(server.url))
    assert seen[0].startswith("polyledger/")


async def ask(node: Node, calls: list[Call]) -> list[Any]:
    async with HttpClient("chain") as http:
        return await JsonRpcClient(node.url, http).batch(calls)


def test_batch_replies_are_matched_by_id() -> None:
    with serving(made_node(shuffle=True)) as node:
        calls = [Call("eth_getBlockByNumber", (hex(number), False)) for number in range(1_000, 1_020)]
        replies = asyncio.run(ask(node, calls))
    for number, reply in zip(range(1_000, 1_020), replies, strict=True):
        assert f'"number": "{number:#x}"'.encode() in bytes(reply.result)


def test_members_fail_singly() -> None:
    with serving(made_node()) as node:
        good, bad = asyncio.run(ask(node, [Call("eth_chainId"), Call("eth_madeUp")]))
    assert bytes(good.result) == b'"0x89"'
    assert bad.error.is_unknown_method


def test_a_node_without_batches_gets_single_calls() -> None:
    with serving(made_node(takes_batches=False)) as node:

        async def run() -> None:
            async with HttpClient("chain") as http:
                client = JsonRpcClient(node.url, http)
                for _ in range(2):
                    replies = await client.batch([Call("eth_chainId"), Call("eth_blockNumber")])
                    assert [bytes(reply.result or b"") for reply in replies] == [b'"0x89"', b'"0x44c"']

        asyncio.run(run())
        assert node.requests == 5  # the refused batch was tried once only


@pytest.mark.parametrize("status", [200, 400, 413])
def test_a_node_that_finds_batches_too_large_gets_smaller_ones(status: int) -> None:
    def before(_number: int, calls: list[dict[str, Any]]) -> Response | None:
        if len(calls) <= 10:
            return None
        error = {
            "jsonrpc": "2.0",
            "id": None,
            "error": {"code": -32600, "message": "batch too large, at most 10 calls"},
        }
        return JSONResponse(error, status_code=status)

    with serving(made_node(before=before)) as node:
        replies = asyncio.run(ask(node, [Call("eth_chainId")] * 60))
        assert [bytes(reply.result) for reply in replies] == [b'"0x89"'] * 60
        assert node.requests < 20


@pytest.mark.parametrize(
    "answer",
    [
        HTMLResponse("<html>Welcome to nginx</html>"),
        JSONResponse({"status": "ok"}),
        Response("OK"),
        Response(status_code=404),
    ],
    ids=["html", "json", "text", "404"],
)
def test_something_else_than_json_rpc_is_told(answer: Response) -> None:
    with serving(made_node(before=lambda _number, _calls: answer)) as node:

        async def run() -> None:
            async with HttpClient("chain") as http:
                await EndpointPool.from_urls([node.url], http, policy=QUICK).run(lambda one: one.call("eth_chainId"))

        with pytest.raises(NotJsonRpcError, match="does not speak JSON-RPC") as caught:
            asyncio.run(run())
    assert "s3cretKey" not in str(caught.value)


async def chain_id(urls: list[str], **options: Any) -> bytes:
    async with HttpClient("chain") as http:
        pool = EndpointPool.from_urls(urls, http, policy=QUICK, **options)
        return bytes(await pool.run(lambda endpoint: endpoint.call("eth_chainId")))


def test_no_endpoint_is_a_matter_of_configuration() -> None:
    with pytest.raises(ConfigurationError, match=r"chain\.rpc_url"):
        EndpointPool([])


def test_another_endpoint_takes_over() -> None:
    down = made_node(before=lambda _number, _calls: Response("down", status_code=503))
    with serving(down) as first, serving(made_node()) as second:
        assert asyncio.run(chain_id([first.url, second.url])) == b'"0x89"'
        assert (first.requests, second.requests) == (1, 1)


def test_a_refused_key_moves_on_to_the_next_endpoint() -> None:
    closed = made_node(before=lambda _number, _calls: JSONResponse({"error": "bad key"}, status_code=401))
    with serving(closed) as first, serving(made_node()) as second:
        assert asyncio.run(chain_id([first.url, second.url])) == b'"0x89"'
        with pytest.raises(SourceError, match="does not let us in"):
            asyncio.run(chain_id([first.url]))


def test_a_failing_endpoint_is_left_alone() -> None:
    down = made_node(before=lambda _number, _calls: Response("down", status_code=503))
    with serving(down) as first, serving(made_node()) as second:

        async def run() -> None:
            async with HttpClient("chain") as http:
                pool = EndpointPool.from_urls([first.url, second.url], http, policy=QUICK)
                for _ in range(40):
                    await pool.run(lambda endpoint: endpoint.call("eth_chainId"))

        asyncio.run(run())
        assert first.requests <= 6
        assert second.requests == 40


def test_giving_up_names_all_endpoints_and_what_they_said() -> None:
    limited = made_node(before=lambda _number, _calls: Response("slow down", status_code=429))
    broken = made_node(before=lambda _number, _calls: HTMLResponse("<b>Bad gateway</b>", status_code=502))
    with serving(limited) as first, serving(broken) as second, pytest.raises(UpstreamUnavailableError) as caught:
        asyncio.run(chain_id([first.url, second.url]))
    message = str(caught.value)
    assert "slow down" in message
    assert "Bad gateway" in message
    assert "s3cretKey" not in message
    assert caught.value.exit_code == 75


def test_nobody_listening_is_told_soon() -> None:
    began = time.monotonic()
    with pytest.raises(UpstreamUnavailableError, match="cannot be reached"):
        asyncio.run(chain_id(["http://127.0.0.1:9/"]))
    assert time.monotonic() - began < 5


def test_a_wait_longer_than_our_patience_ends_the_run() -> None:
    patient = made_node(before=lambda _number, _calls: Response("", status_code=429, headers={"Retry-After": "86400"}))

    async def run(url: str) -> None:
        with anyio.fail_after(5):
            await chain_id([url])

    with serving(patient) as node, pytest.raises(RateLimitedError) as caught:
        asyncio.run(run(node.url))
    assert caught.value.retry_after == 86400


@pytest.mark.parametrize("fault", ["reset", "cut", "cut with its length", "null", "limited member"])
def test_passing_faults_are_outlived(fault: str) -> None:
    times = 0

    def before(number: int, _calls: list[dict[str, Any]]) -> Response | None:
        body = b'[{"jsonrpc": "2.0", "id": 1, "result": "0x89"}]'
        if number > 2 or fault in {"null", "limited member"}:
            return None
        return Torn(body, reset=fault == "reset", honest_length=fault == "cut with its length")

    def on_call(_method: str, _params: list[Any]) -> Any:
        nonlocal times
        times += 1
        if times <= 2 and fault == "limited member":
            raise RefusedError(429, "Your app has exceeded its compute units per second capacity.")
        return None

    with serving(made_node(before=before, on_call=on_call)) as node:
        assert asyncio.run(chain_id([node.url])) == b'"0x89"'
