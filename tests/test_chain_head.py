"""Head, headers and receipts as nodes tell them, and what is refused before anything is read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from polyledger.ctf.contracts import ContractSet
from polyledger.domain.errors import (
    SourceError,
    WrongChainError,
)
from polyledger.net import EndpointPool, HttpClient, RetryPolicy
from polyledger.sources.chain import ChainSource, Head
from tests.scanning import FIRST, LAST, QUICK, made_node
from tests.scripted_node import (
    Node,
    RefusedError,
    hash_of,
    serving,
)


def with_source(node: Node, ask: Callable[[ChainSource], Any], policy: RetryPolicy = QUICK) -> Any:
    async def run() -> Any:
        async with HttpClient("chain") as http:
            return await ask(
                ChainSource(EndpointPool.from_urls([node.url], http, policy=policy), ContractSet.mainnet())
            )

    return asyncio.run(run())


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
