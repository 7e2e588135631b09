"""A service that has died is not asked over and over: the users of a client share a circuit breaker."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from polyledger.domain.errors import UpstreamUnavailableError
from polyledger.net import HttpClient, RetryPolicy
from tests.scripted_server import scripted

ATTEMPTS, USERS = 6, 8
QUICK = RetryPolicy(attempts=ATTEMPTS, wait_initial=0.005, wait_max=0.02)


def test_while_nobody_gets_an_answer_nobody_tries_twice_and_a_first_answer_ends_that() -> None:
    asked: list[str] = []
    is_dead = True
    stumbles = 2

    def handler(request: Request) -> Response:
        nonlocal stumbles
        asked.append(request.url.path)
        if is_dead:
            return JSONResponse({}, 503)
        if request.url.path == "/stumble" and stumbles:
            stumbles -= 1
            return JSONResponse({}, 503)
        return JSONResponse({"ok": True})

    async def several(client: HttpClient, url: str) -> int:
        tries = (client.fetch("GET", f"{url}/{number}") for number in range(USERS))
        ends = await asyncio.gather(*tries, return_exceptions=True)
        return sum(isinstance(end, UpstreamUnavailableError) for end in ends)

    async def run(url: str) -> None:
        nonlocal is_dead
        async with HttpClient("gamma", policy=QUICK) as client:
            assert await several(client, url) == USERS
            assert len(asked) <= 2 * ATTEMPTS + USERS < ATTEMPTS * USERS
            asked.clear()
            assert await several(client, url) == USERS
            assert len(asked) == USERS
            is_dead = False
            assert await several(client, url) == 0
            asked.clear()
            # The service lives: a fault that passes is outlived again.
            assert (await client.fetch("GET", f"{url}/stumble")).status == 200
            assert asked == ["/stumble"] * 3

    with scripted(handler) as server:
        asyncio.run(run(server.url))
