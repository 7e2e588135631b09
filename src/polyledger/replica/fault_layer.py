"""The layer in front of all services: counts requests by source and makes the share that the script asks for fail."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from polyledger.replica.faults import Dice, HttpFaults

WINDOW_SECONDS = 10.0
SOURCES = frozenset({"rpc", "gamma", "clob", "data", "subgraph"})


class Connections:
    """Open transports by the address of the client, so that a fault can cut one off."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, int], tuple[asyncio.Transport, asyncio.Event]] = {}

    def opened(self, client: tuple[str, int], transport: asyncio.Transport) -> None:
        """Remember a connection."""
        self._open[client] = (transport, asyncio.Event())

    def closed(self, client: tuple[str, int]) -> None:
        """Forget a connection."""
        if client in self._open:
            self._open.pop(client)[1].set()

    async def cut(self, scope: Scope, *, abruptly: bool) -> bool:
        """Close the connection of a request; False when the server does not let us.

        Args:
            abruptly: at once, dropping what is still to be sent, instead of after it.
        """
        known = self._open.get(tuple(scope["client"])) if scope.get("client") else None
        if known is None:
            return False
        transport, closed = known
        if abruptly:
            transport.abort()
        else:
            transport.close()
        await closed.wait()
        return True


class Windows:
    """How often each beginning of a path was asked for in the last ten seconds, as a service that limits counts it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._taken: dict[str, deque[float]] = {}

    def take(self, path: str, limits: Mapping[str, int]) -> int:
        """Let a request through, or say in how many seconds there is room for it (at least 1); 0 is through.

        Refused requests do not count.
        """
        now = self._clock()
        concerned = [name for name in limits if path == name or path.startswith(f"{name}/")]
        for name in concerned:
            taken = self._taken.setdefault(name, deque())
            while taken and taken[0] <= now - WINDOW_SECONDS:
                taken.popleft()
            if len(taken) >= limits[name]:
                oldest = taken[len(taken) - limits[name]]
                return max(1, math.ceil(oldest + WINDOW_SECONDS - now))
        for name in concerned:
            self._taken[name].append(now)
        return 0


class FaultLayer:
    """ASGI middleware; `settings` is asked anew for each request, since a test may change it at any time."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        settings: Callable[[], tuple[HttpFaults, Dice]],
        requests: Counter[str],
        connections: Connections,
    ) -> None:
        self._app = app
        self._settings = settings
        self._requests = requests
        self._connections = connections
        self._windows = Windows()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        source = scope["path"].strip("/").split("/")[0] if scope["type"] == "http" else ""
        if source not in SOURCES:
            await self._app(scope, receive, send)
            return
        self._requests[source] += 1
        faults, dice = self._settings()
        if source not in faults.sources:
            await self._app(scope, receive, send)
            return
        wait = self._windows.take(scope["path"].strip("/"), faults.limits) if faults.limits else 0
        if wait:
            self._requests[f"{source}:refused"] += 1
            await Request(scope, receive).body()
            refusal = JSONResponse({"error": "Too Many Requests"}, status_code=429, headers={"retry-after": str(wait)})
            await refusal(scope, receive, send)
            return
        if faults.latency_seconds:
            await asyncio.sleep(faults.latency_seconds)
        if dice.hits(faults.resets):
            await Request(scope, receive).body()
            if await self._connections.cut(scope, abruptly=True):
                return
        failure = self._failure(source, faults, dice)
        if failure is not None:
            await Request(scope, receive).body()
            await failure(scope, receive, send)
        elif dice.hits(faults.truncated):
            await self._truncate(scope, receive, send, cut_connection=dice.hits(0.5))
        else:
            await self._app(scope, receive, send)

    def _failure(self, source: str, faults: HttpFaults, dice: Dice) -> Response | None:
        count = self._requests[source]
        if any(first <= count <= last for first, last in faults.down):
            return HTMLResponse("<html><body><h1>503 Service Unavailable</h1></body></html>", status_code=503)
        if dice.hits(faults.too_many_requests):
            headers = _retry_after(faults)
            if dice.hits(0.5):
                page = "<html><head><title>429 Too Many Requests</title></head></html>"
                return HTMLResponse(page, status_code=429, headers=headers)
            return JSONResponse({"error": "Too Many Requests"}, status_code=429, headers=headers)
        if dice.hits(faults.server_errors):
            status = 502 if dice.hits(0.5) else 503
            return HTMLResponse(f"<html><body><h1>{status}</h1></body></html>", status_code=status)
        if dice.hits(faults.html):
            return HTMLResponse("<!DOCTYPE html><html><body>Checking your browser</body></html>")
        return None

    async def _truncate(self, scope: Scope, receive: Receive, send: Send, *, cut_connection: bool) -> None:
        """Half of the answer: either as a whole, shorter body or by closing the connection in the middle of it."""
        start: Message = {}
        body = bytearray()

        async def hold(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                body.extend(message.get("body", b""))

        await self._app(scope, receive, hold)
        half = bytes(body[: len(body) // 2])
        if not cut_connection:
            kept = [(name, value) for name, value in start["headers"] if name != b"content-length"]
            start["headers"] = [*kept, (b"content-length", str(len(half)).encode())]
        await send(start)
        await send({"type": "http.response.body", "body": half, "more_body": cut_connection})
        if cut_connection:
            await self._connections.cut(scope, abruptly=False)


def _retry_after(faults: HttpFaults) -> dict[str, str]:
    if faults.retry_after == "none":
        return {}
    if faults.retry_after == "seconds":
        return {"retry-after": str(faults.retry_after_seconds)}
    until = datetime.now(UTC) + timedelta(seconds=faults.retry_after_seconds)
    return {"retry-after": format_datetime(until, usegmt=True)}
