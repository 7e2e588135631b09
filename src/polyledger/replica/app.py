"""All services in one application, behind the layer that counts requests and makes them fail on demand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Receive, Scope, Send

from polyledger.domain.errors import ConfigurationError
from polyledger.replica.catalogue import Catalogue
from polyledger.replica.chain import BranchPlan, Chain, HeadPlan
from polyledger.replica.clob import Clob
from polyledger.replica.data_v1 import DataV1
from polyledger.replica.data_v2 import DataV2
from polyledger.replica.fault_layer import Connections, FaultLayer
from polyledger.replica.faults import Dice, Faults, HttpFaults, parse_faults
from polyledger.replica.fills import Fills
from polyledger.replica.gamma import Gamma
from polyledger.replica.rpc import Pieces, RpcNode
from polyledger.replica.subgraph import Subgraph
from polyledger.replica.wallets import Wallets
from polyledger.replica.world import World

_PORTION = 1 << 20  # bytes handed to the connection at a time


class _PiecewiseResponse(Response):
    """Sends a body that is given in pieces, in portions of a size that the connection likes.

    Never the whole at once: the event loop's write buffer would move all that is left after each partial write.
    """

    def __init__(self, pieces: Pieces, media_type: str) -> None:
        self._pieces = pieces
        super().__init__(media_type=media_type)
        self.headers["content-length"] = str(sum(map(len, pieces)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI's signature
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for portion in _portions(self._pieces):
            await send({"type": "http.response.body", "body": portion, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _portions(pieces: Pieces) -> Iterator[bytes]:
    gathered: Pieces = []
    size = 0
    for piece in pieces:
        for start in range(0, len(piece), _PORTION):
            part = piece[start : start + _PORTION]
            gathered.append(part)
            size += len(part)
            if size >= _PORTION:
                yield b"".join(gathered)
                gathered, size = [], 0
    yield b"".join(gathered)


class Control(msgspec.Struct, forbid_unknown_fields=True):
    """What ``POST /control`` may change; only what is given changes.

    Attributes:
        head: a block number, or a plan of how the head moves.
        faults: a whole fault script; its ``head`` and ``reorg`` count only when they are in it.
        reorg: the branch to serve from now on; null goes back to the recording.
    """

    head: int | HeadPlan | msgspec.UnsetType = msgspec.UNSET
    faults: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    reorg: BranchPlan | msgspec.UnsetType | None = msgspec.UNSET


class Replica:
    """The state behind the routes: the chain, the faults and the counters."""

    def __init__(self, world: World, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self.dice = Dice(self.faults.seed)
        self.chain = Chain(world, self.faults.head)
        self.chain.set_branch(self.faults.reorg)
        self.catalogue = Catalogue(self.chain)
        self.node = RpcNode(self.chain, self.faults.rpc, self.dice)
        self.requests: Counter[str] = Counter()
        self.connections = Connections()

    def routes(self) -> list[BaseRoute]:
        """Every route of the replica."""

        def faults() -> Faults:
            return self.faults

        fills = Fills(self.chain)
        older = DataV1(self.catalogue, fills, Wallets(self.chain, fills), faults)
        newer = DataV2(self.catalogue, fills, faults)
        return [
            Route("/rpc", self._rpc, methods=["POST"]),
            Mount("/gamma", routes=Gamma(self.catalogue, fills, faults).routes()),
            Mount("/clob", routes=Clob(self.catalogue, fills, faults).routes()),
            Mount("/data", routes=[*newer.routes(), *older.routes()]),
            Mount("/subgraph", routes=Subgraph(self.catalogue, faults).routes()),
            Route("/stats", self._stats),
            Route("/stats/reset", self._reset_stats, methods=["POST"]),
            Route("/control", self._control, methods=["POST"]),
        ]

    def http_faults(self) -> tuple[HttpFaults, Dice]:
        """What the fault layer goes by at the moment."""
        return self.faults.http, self.dice

    def stats(self) -> dict[str, Any]:
        """Requests by source, JSON-RPC calls by method, logs handed out and the head."""
        return {
            "requests": dict(self.requests),
            "rpc": {"calls": dict(self.node.calls), "logs": self.node.logs, "head": self.chain.head},
        }

    def apply(self, control: Control) -> None:
        """Change what the control document names.

        Raises:
            ConfigurationError: the fault script in it is wrong.
        """
        if control.faults is not msgspec.UNSET:
            self.faults = parse_faults(control.faults)
            self.dice = Dice(self.faults.seed)
            self.node.faults, self.node.dice = self.faults.rpc, self.dice
            if "head" in control.faults:
                self.chain.set_head(self.faults.head)
            if "reorg" in control.faults:
                self.chain.set_branch(self.faults.reorg)
        if control.head is not msgspec.UNSET:
            head = control.head
            self.chain.set_head(head if isinstance(head, HeadPlan) else HeadPlan(start=head, stop=head))
        if control.reorg is not msgspec.UNSET:
            self.chain.set_branch(control.reorg)

    async def _rpc(self, request: Request) -> Response:
        body = await request.body()
        return _PiecewiseResponse(self.node.answer(body), media_type="application/json")

    async def _stats(self, _: Request) -> Response:
        return JSONResponse(self.stats())

    async def _reset_stats(self, _: Request) -> Response:
        self.requests.clear()
        self.node.calls.clear()
        self.node.logs = 0
        return JSONResponse(self.stats())

    async def _control(self, request: Request) -> Response:
        try:
            self.apply(msgspec.json.decode(await request.body(), type=Control))
        except (msgspec.MsgspecError, ConfigurationError) as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        return JSONResponse(self.stats())


def build_app(world: World, faults: Faults | None = None) -> Starlette:
    """The replica of all services over a world; `app.state.connections` lets a server cut connections."""
    replica = Replica(world, faults)
    layer = Middleware(
        FaultLayer,
        settings=replica.http_faults,
        requests=replica.requests,
        connections=replica.connections,
    )
    app = Starlette(routes=replica.routes(), middleware=[layer])
    app.state.connections = replica.connections
    return app
