"""A small server on loopback whose answers a test writes itself, and which remembers what it was asked."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


@dataclass
class Scripted:
    """Where the server is, and the requests it got: (path, [(name, value), …])."""

    url: str = ""
    requests: list[tuple[str, list[tuple[str, str]]]] = field(default_factory=list)

    def values(self, name: str) -> list[list[str]]:
        """The values of one parameter in each request."""
        return [[value for key, value in params if key == name] for _, params in self.requests]


@contextlib.contextmanager
def scripted(handler: Callable[[Request], Response]) -> Iterator[Scripted]:
    """Serve every path with `handler` on an ephemeral port of loopback; the body of a POST is at ``state.body``."""
    script = Scripted()

    async def endpoint(request: Request) -> Response:
        script.requests.append((request.url.path, request.query_params.multi_items()))
        request.state.body = await request.body()
        return handler(request)

    app = Starlette(routes=[Route("/{path:path}", endpoint, methods=["GET", "POST"])])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", access_log=False, lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert thread.is_alive(), "the scripted server stopped"
        assert time.monotonic() < deadline, "the scripted server did not come up"
        time.sleep(0.005)
    script.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield script
    finally:
        server.should_exit = True
        thread.join(timeout=30)
