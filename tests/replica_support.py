"""Fixtures and helpers: a replica of the shipped world on a real socket."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from polyledger.replica import World, load_world, parse_faults, serve
from tests.paths import DEVWORLD_LOGS, DEVWORLD_TRUTH

Rpc = Callable[..., Any]


@pytest.fixture(scope="session")
def world() -> World:
    return load_world()


@pytest.fixture(scope="session")
def recorded() -> dict[str, Any]:
    """The file of the world, read without the code under test."""
    with gzip.open(DEVWORLD_LOGS) as file:
        return json.load(file)


@pytest.fixture(scope="session")
def truth() -> dict[str, Any]:
    with gzip.open(DEVWORLD_TRUTH) as file:
        return json.load(file)


@pytest.fixture(scope="module")
def replica(world: World) -> Iterator[httpx2.Client]:
    with serve(world) as url, httpx2.Client(base_url=url, timeout=30) as client:
        yield client


@pytest.fixture
def faulty(world: World) -> Iterator[Callable[[dict[str, Any]], httpx2.Client]]:
    """Starts a replica with a fault script and gives a client for it."""
    running: list[Any] = []

    def start(script: dict[str, Any]) -> httpx2.Client:
        server = serve(world, faults=parse_faults(script))
        running.append(server)
        client = httpx2.Client(base_url=server.__enter__(), timeout=30)
        running.append(client)
        return client

    yield start
    for one in reversed(running):
        one.__exit__(None, None, None)


def call(client: httpx2.Client, method: str, *params: Any) -> Any:
    """The result of one JSON-RPC call."""
    body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": list(params)}
    answer = client.post("/rpc", json=body).json()
    assert answer["id"] == 7
    if "error" in answer:
        raise AssertionError(answer["error"])
    return answer["result"]


def error_of(client: httpx2.Client, method: str, *params: Any) -> dict[str, Any]:
    """The error of one JSON-RPC call."""
    body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": list(params)}
    answer = client.post("/rpc", json=body).json()
    assert "result" not in answer
    return answer["error"]
