"""Asking Gamma, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from polyledger.domain.records import Kind
from polyledger.net import HttpClient, RetryPolicy
from polyledger.sources.answers import Answer
from polyledger.sources.gamma import GammaSource
from polyledger.sources.lookups import one_by_one
from tests.scripted_server import Scripted, scripted

ItemT = TypeVar("ItemT")


def catalogue(*rows: dict[str, Any]) -> Callable[[Request], Response]:
    """Answers as Gamma does: one state at a time, unknown ids left out."""

    def handler(request: Request) -> Response:
        closed = request.query_params.get("closed") == "true"
        wanted = request.query_params.getlist("condition_ids")
        found = [one for one in rows if one["closed"] == closed and (not wanted or one["conditionId"] in wanted)]
        return JSONResponse({"markets": found})

    return handler


def collect(url: str, use: Callable[[GammaSource], AsyncIterator[ItemT]], **settings: Any) -> list[ItemT]:
    """What one iteration gives, over a client that gives up quickly."""

    async def run() -> list[ItemT]:
        policy = RetryPolicy(attempts=8, wait_initial=0.001, wait_max=0.01)
        async with HttpClient("gamma", policy=policy) as client:
            return [item async for item in use(GammaSource(client, url, **settings))]

    return asyncio.run(run())


def in_order(answers: list[Answer[Any]], keys: list[str]) -> list[Answer[Any]]:
    """Answers come as they finish; tests like them in the order of the keys, strangers last."""
    place = {key: at for at, key in enumerate(dict.fromkeys(keys))}
    return sorted(answers, key=lambda one: (not one.asked, place.get(one.key, len(place))))


def look_up(
    handler: Callable[[Request], Response], ids: list[str], *, concurrency: int = 4, **settings: Any
) -> tuple[list[Answer[Any]], Scripted]:
    def ask(gamma: GammaSource) -> AsyncIterator[Answer[Any]]:
        return one_by_one(gamma.look_up(Kind.MARKET, ids, concurrency=concurrency))

    with scripted(handler) as server:
        answers = collect(server.url, ask, **settings)
        return in_order(answers, [one.lower() for one in ids]), server
