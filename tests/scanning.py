"""Scans of a made chain through real sockets, for the tests of the chain source."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from polyledger.ctf.contracts import ContractSet
from polyledger.net import EndpointPool, HttpClient, RetryPolicy
from polyledger.sources.chain import ChainSource, ScannedRange
from polyledger.sources.chain_ranges import RangeSizer
from tests.scripted_node import (
    MadeChain,
    Node,
    busy,
)

QUICK = RetryPolicy(attempts=25, wait_initial=0.002, wait_max=0.01)
FIRST, LAST = 5_000, 5_199
Places = list[tuple[int, int]]


def made_node(events: Callable[[int], Any] = busy, *, last: int = LAST, **changes: Any) -> Node:
    return Node(MadeChain(FIRST, last, events), **changes)


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
