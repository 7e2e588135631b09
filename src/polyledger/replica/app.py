"""All services in one application, behind a layer that counts requests and makes them fail on demand."""

from __future__ import annotations

from collections import Counter
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from polyledger.replica.catalogue import Catalogue
from polyledger.replica.chain import Chain
from polyledger.replica.faults import Dice, Faults
from polyledger.replica.gamma import Gamma
from polyledger.replica.rpc import RpcNode
from polyledger.replica.world import World


class Replica:
    """The state behind the routes: the chain, the faults and the counters."""

    def __init__(self, world: World, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self.dice = Dice(self.faults.seed)
        self.chain = Chain(world, self.faults.head)
        self.chain.set_branch(self.faults.branch)
        self.catalogue = Catalogue(self.chain)
        self.node = RpcNode(self.chain, self.faults.rpc, self.dice)
        self.requests: Counter[str] = Counter()

    def routes(self) -> list[BaseRoute]:
        """Every route of the replica."""
        return [
            Route("/rpc", self._rpc, methods=["POST"]),
            Mount("/gamma", routes=Gamma(self.catalogue, lambda: self.faults).routes()),
            Route("/stats", self._stats),
            Route("/stats/reset", self._reset_stats, methods=["POST"]),
        ]

    def stats(self) -> dict[str, Any]:
        """Requests by source, JSON-RPC calls by method, logs handed out and the head."""
        return {
            "requests": dict(self.requests),
            "rpc": {"calls": dict(self.node.calls), "logs": self.node.logs, "head": self.chain.head},
        }

    async def _rpc(self, request: Request) -> Response:
        body = await request.body()
        return Response(self.node.answer(body), media_type="application/json")

    async def _stats(self, _: Request) -> Response:
        return JSONResponse(self.stats())

    async def _reset_stats(self, _: Request) -> Response:
        self.requests.clear()
        self.node.calls.clear()
        self.node.logs = 0
        return JSONResponse(self.stats())


def build_app(world: World, faults: Faults | None = None) -> Starlette:
    """The replica of all services over a world."""
    replica = Replica(world, faults)
    return Starlette(routes=replica.routes())
