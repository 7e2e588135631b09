"""A JSON-RPC node on loopback over a made chain, whose misbehaviour a test writes itself."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from sha3 import keccak_256
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from polyledger.ctf.contracts import ContractSet, Role

CONTRACTS = ContractSet.mainnet()
TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
NEW_OPERATOR = "0x" + keccak_256(b"NewOperator(address,address)").hexdigest()
FPMM_BUY = "0x4f62630f51608fc8a7603a9391a5101e58bd7c276139366fc107dc3b67c3dcf8"
CTF = "0x4d97dcd97ec945f40cf65f87097ace5ea0476045"
EXCHANGE = "0x4bfb41d5b3570defd03c39a9a4d8de6bd8b8982e"
USDC = "0x2791bca1f2de4661ed88a30c99a7a9449aa84174"
LOGGED = {"0x" + address.hex() for address in CONTRACTS.log_addresses}
HOLDERS = {"0x" + address.hex() for address in CONTRACTS.collateral_holders}
assert {CTF, EXCHANGE} <= LOGGED
assert CONTRACTS.with_role(Role.COLLATERAL)[0].address == USDC
OPERATOR = "0x" + "0e" * 20
Log = dict[str, Any]


def hash_of(*parts: Any) -> str:
    return "0x" + keccak_256(repr(parts).encode()).hexdigest()


def padded(address: str) -> str:
    return "0x" + "00" * 12 + address[2:]


def bloom_of(logs: list[Log]) -> str:
    """The bloom filter of a block by the yellow paper's rule, written for these tests."""
    bits = 0
    for item in itertools.chain.from_iterable([log["address"], *log["topics"]] for log in logs):
        digest = keccak_256(bytes.fromhex(item[2:])).digest()
        for place in (0, 2, 4):
            bits |= 1 << (int.from_bytes(digest[place : place + 2], "big") % 2048)
    return f"0x{bits:0512x}"


@dataclass
class MadeChain:
    """Blocks `first` … `last`; `events` gives (address, topics, data) of each; a branch has hashes of its own."""

    first: int
    last: int
    events: Callable[[int], list[tuple[str, list[str], str]]]
    branch: str = "main"
    forks_at: int = 0
    timestamps: bool = True
    blooms: bool = True

    def hash(self, number: int) -> str:
        return hash_of(number, self.branch if number >= self.forks_at else "main")

    def logs(self, number: int) -> list[Log]:
        if not self.first <= number <= self.last:
            return []
        return [
            {
                "address": address,
                "topics": topics,
                "data": data,
                "blockNumber": hex(number),
                "blockHash": self.hash(number),
                "transactionHash": hash_of("tx", number, place // 3),
                "transactionIndex": hex(place // 3),
                "logIndex": hex(place),
                "removed": False,
                **({"blockTimestamp": hex(1_700_000_000 + 2 * number)} if self.timestamps else {}),
            }
            for place, (address, topics, data) in enumerate(self.events(number))
        ]

    def header(self, number: int) -> dict[str, Any]:
        header = {
            "number": hex(number),
            "hash": self.hash(number),
            "parentHash": self.hash(number - 1),
            "timestamp": hex(1_700_000_000 + 2 * number),
            "transactions": [hash_of("tx", number, 0)],
        }
        return header | ({"logsBloom": bloom_of(self.logs(number))} if self.blooms else {})


def busy(number: int) -> list[tuple[str, list[str], str]]:
    """Nine logs a block: ours by address, ours by transfer, an AMM's, and two of others."""
    word = f"{number:064x}"
    someone, other = "0x" + "aa" * 20, "0x" + "bb" * 20
    return [
        (CTF, [hash_of("event"), padded(someone)], "0x" + word),
        (EXCHANGE, [hash_of("fill"), hash_of(number), padded(other), padded(someone)], "0x" + word * 5),
        (USDC, [TRANSFER, padded(someone), padded(EXCHANGE)], "0x" + word),
        (USDC, [TRANSFER, padded(EXCHANGE), padded(CTF)], "0x" + word),
        (USDC, [TRANSFER, padded(someone), padded(other)], "0x" + word),
        ("0x" + "f0" * 20, [FPMM_BUY, padded(someone), "0x" + word], "0x" + word * 3),
        ("0x" + "f1" * 20, [hash_of("foreign")], "0x"),
        (USDC, [TRANSFER, padded(OPERATOR), padded(other)], "0x" + word),
        (CTF, [hash_of("event"), padded(other)], "0x"),
    ]


def wanted(log: Log, operators: dict[str, int]) -> bool:
    """Whether a scan must deliver a log, written out independently; `operators` with the block each counts from."""
    if log["address"] in LOGGED or log["topics"][0] == FPMM_BUY:
        return True
    if log["address"] != USDC or log["topics"][0] != TRANSFER:
        return False
    parties = {"0x" + topic[26:] for topic in log["topics"][1:]}
    named = any(operators.get(party, 1 << 60) <= int(log["blockNumber"], 16) for party in parties)
    return bool(parties & HOLDERS) or named


def matches(log: Log, criteria: dict[str, Any]) -> bool:
    if "address" in criteria and log["address"] not in criteria["address"]:
        return False
    for place, choices in enumerate(criteria.get("topics", [])):
        if choices is not None and (place >= len(log["topics"]) or log["topics"][place] not in choices):
            return False
    return True


class RefusedError(Exception):
    """Raised by a node's hooks: the JSON-RPC error that a call gets."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message} | ({} if data is None else {"data": data})


class Torn(Response):
    """A response that breaks: off in the middle, or by a reset before anything was sent."""

    def __init__(self, body: bytes, *, reset: bool = False, honest_length: bool = False) -> None:
        super().__init__(body, media_type="application/json")
        self.reset, self.honest_length = reset, honest_length

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport = send.__self__.transport  # type: ignore[attr-defined]
        if self.reset:
            transport.abort()
            return
        half = self.body[: len(self.body) // 2]
        if self.honest_length:
            await Response(half, media_type="application/json")(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": half, "more_body": True})
        transport.close()


@dataclass
class Node:
    """What the node has and how it behaves; every hook may be replaced by a test.

    before: sees each request (its number from 1, its calls) and may answer in the node's place.
    on_call: sees each call and may raise `RefusedError` or return a result; None lets the node answer.
    after: sees the list of answers and the batch flag, and may change the response.
    """

    chain: MadeChain
    head: int | None = None
    chain_id: int = 137
    finalized: int | None = None
    takes_batches: bool = True
    before: Callable[[int, list[dict[str, Any]]], Response | None] = lambda _number, _calls: None
    on_call: Callable[[str, list[Any]], Any] = lambda _method, _params: None
    after: Callable[[int, bytes], Response | None] = lambda _number, _body: None
    shuffle: bool = False
    requests: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    ranges: list[tuple[int, int]] = field(default_factory=list)
    url: str = ""

    def respond(self, body: bytes) -> Response:
        self.requests += 1
        request = json.loads(body)
        calls = request if isinstance(request, list) else [request]
        early = self.before(self.requests, calls)
        if early is not None:
            return early
        if isinstance(request, list) and not self.takes_batches:
            error = {
                "jsonrpc": "2.0",
                "id": None,
                "error": {"code": -32600, "message": "batch requests are not supported"},
            }
            return Response(json.dumps(error), media_type="application/json")
        answers = [self.answer(call) for call in calls]
        if self.shuffle:
            random.Random(self.requests).shuffle(answers)
        text = json.dumps(answers if isinstance(request, list) else answers[0]).encode()
        return self.after(self.requests, text) or Response(text, media_type="application/json")

    def answer(self, call: dict[str, Any]) -> dict[str, Any]:
        method, params = call["method"], call["params"]
        self.calls[method] += 1
        envelope = {"jsonrpc": "2.0", "id": call["id"]}
        if method == "eth_getLogs":
            self.ranges.append((int(params[0]["fromBlock"], 16), int(params[0]["toBlock"], 16)))
        try:
            result = self.on_call(method, params)
            return envelope | {"result": self.result(method, params) if result is None else result[0]}
        except RefusedError as refused:
            return envelope | {"error": refused.error}

    def result(self, method: str, params: list[Any]) -> Any:
        head = self.chain.last if self.head is None else self.head
        if method == "eth_chainId":
            return hex(self.chain_id)
        if method == "eth_blockNumber":
            return hex(head)
        if method == "eth_getBlockByNumber":
            return self.header(params[0], head)
        if method == "eth_getLogs":
            first, last = int(params[0]["fromBlock"], 16), int(params[0]["toBlock"], 16)
            return self.logs(params[0], max(first, self.chain.first), min(last, head, self.chain.last))
        if method == "eth_getTransactionReceipt":
            return self.receipt(params[0])
        raise RefusedError(-32601, f"the method {method} does not exist/is not available")

    def header(self, block: str, head: int) -> dict[str, Any] | None:
        if block == "finalized":
            if self.finalized is None:
                raise RefusedError(-32602, "invalid argument 0: unknown block tag finalized")
            return self.chain.header(self.finalized)
        number = int(block, 16)
        return self.chain.header(number) if number <= head else None

    def receipt(self, transaction: str) -> dict[str, Any] | None:
        for number in range(self.chain.first, self.chain.last + 1):
            logs = [log for log in self.chain.logs(number) if log["transactionHash"] == transaction]
            if logs:
                return {"transactionHash": transaction, "status": "0x1", "logs": logs}
        return None

    def logs(self, criteria: dict[str, Any], first: int, last: int) -> list[Log]:
        blocks = (self.chain.logs(number) for number in range(first, last + 1))
        return [log for log in itertools.chain.from_iterable(blocks) if matches(log, criteria)]

    def expected(self, first: int, last: int, operators: dict[str, int] | None = None) -> list[tuple[int, int]]:
        """(block, log index) of every log that a scan must deliver."""
        return [
            (number, int(log["logIndex"], 16))
            for number in range(first, last + 1)
            for log in self.chain.logs(number)
            if wanted(log, operators or {})
        ]


@contextlib.contextmanager
def serving(node: Node) -> Iterator[Node]:
    """Serve `node` on an ephemeral port of loopback, from a thread."""

    # Bare, because a framework's layers would hide the connection that `Torn` breaks.
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = node.respond(await Request(scope, receive).body())
        await response(scope, receive, send)

    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_level="critical", access_log=False, lifespan="off", http="h11")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert thread.is_alive(), "the scripted node stopped"
        assert time.monotonic() < deadline, "the scripted node did not come up"
        time.sleep(0.005)
    node.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v2/s3cretKey0123456789"
    try:
        yield node
    finally:
        server.should_exit = True
        thread.join(timeout=30)
