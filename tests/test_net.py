"""The network room: limits, retries, masks, JSON-RPC and fail-over; over real sockets where a socket is involved."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
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
    AdaptiveLimiter,
    AnswerTooLargeError,
    Call,
    EndpointPool,
    HttpClient,
    JsonRpcClient,
    RetryPolicy,
    mask_url,
    retry_after_seconds,
    scrub,
)
from tests.scripted_node import MadeChain, Node, RefusedError, Torn, busy, serving
from tests.scripted_server import scripted

QUICK = RetryPolicy(attempts=6, wait_initial=0.005, wait_max=0.02)


def made_node(**changes: Any) -> Node:
    return Node(MadeChain(1_000, 1_100, busy), **changes)


class Clock:
    """Time that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


async def requests_in(limiter: AdaptiveLimiter, clock: Clock, seconds: float) -> int:
    end, count = clock.now + seconds, 0
    while True:
        await limiter.acquire()
        if clock.now > end:
            return count
        count += 1


# --- masks


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://polygon-rpc.com", "https://polygon-rpc.com"),
        ("https://polygon-mainnet.g.alchemy.com/v2/Ab3dEf6hIj", "https://polygon-mainnet.g.alchemy.com/v2/***"),
        ("https://rpc.example/polygon/rpc?apikey=12345678", "https://rpc.example/polygon/rpc?apikey=***"),
        ("https://user:pass1234@rpc.example:8545/", "https://***@rpc.example:8545/"),
        ("http://127.0.0.1:8000/rpc", "http://127.0.0.1:8000/rpc"),
        ("https://rpc.example/0123456789abcdef0123456789abcdef/", "https://rpc.example/***/"),
    ],
)
def test_secrets_in_addresses_are_masked(url: str, shown: str) -> None:
    assert mask_url(url) == shown


def test_secrets_quoted_by_a_server_are_masked() -> None:
    url = "https://u:hunter22@rpc.example/v2/Ab3dEf6hIj?token=t0ps3cret"
    text = scrub("key Ab3dEf6hIj (hunter22, t0ps3cret) is over its limit", url)
    assert text == "key *** (***, ***) is over its limit"


# --- limits


def test_the_limiter_keeps_the_rate() -> None:
    clock = Clock()
    limiter = AdaptiveLimiter(100, clock=clock, sleep=clock.sleep)
    assert 100 <= asyncio.run(requests_in(limiter, clock, 10)) <= 112


def test_heavy_requests_cost_their_weight() -> None:
    clock = Clock()
    limiter = AdaptiveLimiter(100, clock=clock, sleep=clock.sleep)

    async def twenty() -> None:
        for _ in range(20):
            await limiter.acquire(10)

    asyncio.run(twenty())
    assert 17 <= clock.now <= 20


def test_a_refusal_halves_the_rate_and_good_answers_bring_it_back() -> None:
    clock = Clock()
    limiter = AdaptiveLimiter(100, clock=clock, sleep=clock.sleep)
    for _ in range(5):
        limiter.throttled()  # one congestion, however many workers report it
    assert limiter.rate == pytest.approx(5)
    for _ in range(10):
        limiter.succeeded(0.1)
    assert limiter.rate == pytest.approx(7)
    for _ in range(100):
        limiter.succeeded(0.1)
    assert limiter.rate == pytest.approx(10)


def test_the_rate_has_a_floor() -> None:
    clock = Clock()
    limiter = AdaptiveLimiter(100, clock=clock, sleep=clock.sleep)
    for _ in range(50):
        clock.now += 2
        limiter.throttled()
    assert limiter.rate == pytest.approx(0.2)


def test_a_wait_that_was_asked_for_is_kept_by_all() -> None:
    clock = Clock()
    limiter = AdaptiveLimiter(None, clock=clock, sleep=clock.sleep)
    limiter.throttled(7.5)
    asyncio.run(limiter.acquire())
    assert clock.now == pytest.approx(7.5)


def test_slow_answers_count_as_throttling() -> None:
    clock = Clock()
    limiter = AdaptiveLimiter(100, slow_after=1.0, clock=clock, sleep=clock.sleep)
    for _ in range(5):
        limiter.succeeded(0.1)
    clock.now += 5
    limiter.succeeded(3.0)
    assert limiter.rate is not None
    assert limiter.rate < 10


def test_retry_after_is_read_in_both_forms() -> None:
    now = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
    assert retry_after_seconds("3") == 3
    assert retry_after_seconds(format_datetime(now + timedelta(seconds=40), usegmt=True), now=now) == 40
    assert retry_after_seconds(format_datetime(now - timedelta(seconds=40), usegmt=True), now=now) == 0
    assert retry_after_seconds("soon") is None
    assert retry_after_seconds(None) is None


# --- the HTTP client


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


# --- JSON-RPC


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


# --- fail-over


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
