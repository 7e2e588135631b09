"""Running the replica: in this process for tests and the demo, or as a command of its own."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from polyledger.replica.app import build_app
from polyledger.replica.fault_layer import Connections
from polyledger.replica.faults import Faults, load_faults
from polyledger.replica.world import World, load_world

_START_SECONDS = 30.0


class _CuttableProtocol(H11Protocol):
    """The server's protocol, which also tells where its connections are."""

    def __init__(self, *args: Any, connections: Connections, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self._connections = connections

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.client is not None:
            self._connections.opened(self.client, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.client is not None:
            self._connections.closed(self.client)


def _config(world: World, faults: Faults | None, host: str, port: int) -> uvicorn.Config:
    app = build_app(world, faults)
    protocol = functools.partial(_CuttableProtocol, connections=app.state.connections)
    return uvicorn.Config(
        app,
        http=cast("type[asyncio.Protocol]", protocol),
        host=host,
        port=port,
        log_level="error",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )


@contextlib.contextmanager
def serve(world: World, port: int = 0, faults: Faults | None = None, host: str = "127.0.0.1") -> Iterator[str]:
    """Serve in a thread of this process and yield the URL; port 0 takes a free one."""
    server = uvicorn.Server(_config(world, faults, host, port))
    thread = threading.Thread(target=server.run, name="replica", daemon=True)
    thread.start()
    deadline = time.monotonic() + _START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise OSError(f"the replica did not come up on {host}:{port}")
        time.sleep(0.01)
    try:
        yield f"http://{host}:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=_START_SECONDS)


class _AnnouncingServer(uvicorn.Server):
    """Says where it listens as soon as it does, so that a script can wait for the line."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            port = self.servers[0].sockets[0].getsockname()[1]
            print(f"http://{self.config.host}:{port}", flush=True)  # noqa: T201  # the command's output


def serve_forever(
    world_path: Path | str | None = None,
    port: int = 0,
    faults_path: Path | str | None = None,
    host: str = "127.0.0.1",
) -> None:
    """Print one line with the URL and serve until SIGINT or SIGTERM.

    Raises:
        ConfigurationError: the world or the fault script cannot be used.
    """
    faults = None if faults_path is None else load_faults(faults_path)
    server = _AnnouncingServer(_config(load_world(world_path), faults, host, port))
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
