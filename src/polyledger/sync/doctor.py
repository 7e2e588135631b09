"""Examines what a run needs: the machine, the workspace and every endpoint. Changes nothing.

The document is ``polyledger.doctor/1``::

    {"schema": …, "ok": …,
     "findings":  [{"subject", "name", "status": "ok|warning|failed", "value", "fix"}],
     "endpoints": [{"source", "url", "reachable", "chain_id", "head", "finalized", "finalized_known", "log_range",
                    "latency_ms"}]}

``ok`` is false when something failed that a run cannot do without. Addresses are masked. ``log_range`` is the
widest range of blocks that was accepted of those tried, at most ``LOG_RANGES[0]``.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import msgspec

from polyledger.config import CONFIG_FILE, Settings
from polyledger.domain.errors import (
    NotJsonRpcError,
    PolyledgerError,
    RateLimitedError,
    SourceError,
    UpstreamUnavailableError,
)
from polyledger.net import HttpClient, JsonRpcClient, mask_url

__all__ = ["LOG_RANGES", "examine"]

LOG_RANGES = (10_000, 2_000, 1_000, 500, 100, 10, 1)
NARROW_LOG_RANGE = 1_000

_OLDEST_PYTHON = (3, 11)
_OLDEST_ENGINE = 2
_GIGABYTE = 10**9
_DISK_NEEDED, _DISK_WANTED = _GIGABYTE // 2, 5 * _GIGABYTE
_MEMORY_WANTED = 2 * _GIGABYTE
_TIMEOUT_SECONDS = 10.0
_LATENCY_CALLS = 3
# No event has this topic, so an answer is empty and only the range can be what a node refuses.
_NO_TOPIC = "0x" + "00" * 32
_ZERO_ADDRESS = "0x" + "00" * 20

Finding = dict[str, Any]
Note = Callable[..., None]


def examine(workspace: Path, settings: Settings) -> dict[str, Any]:
    """Look at the machine, the workspace folder and the endpoints of the settings; takes seconds."""
    findings = [_python(), _engine(), _memory(settings), _disk(workspace), _workspace(workspace)]
    endpoints: list[dict[str, Any]] = []
    anyio.run(_examine_endpoints, settings, findings, endpoints)
    return {
        "schema": "polyledger.doctor/1",
        "ok": all(finding["status"] != "failed" for finding in findings),
        "findings": findings,
        "endpoints": endpoints,
    }


def _finding(subject: str, name: str, status: str, value: str, fix: str | None = None) -> Finding:
    return {"subject": subject, "name": name, "status": status, "value": value, "fix": fix}


def _python() -> Finding:
    status = "ok" if sys.version_info >= _OLDEST_PYTHON else "failed"
    fix = None if status == "ok" else "Install Python 3.11 or newer"
    return _finding("machine", "python", status, platform.python_version(), fix)


def _engine() -> Finding:
    try:
        found = importlib.metadata.version("duckdb")
    except importlib.metadata.PackageNotFoundError:
        return _finding(
            "machine", "engine", "failed", "DuckDB is not installed", "Run make setup, or pip install duckdb"
        )
    if int(found.partition(".")[0]) < _OLDEST_ENGINE:
        return _finding("machine", "engine", "failed", f"DuckDB {found}", "Install DuckDB 2.0 or newer")
    return _finding("machine", "engine", "ok", f"DuckDB {found}")


def _memory(settings: Settings) -> Finding:
    installed = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = settings.storage.memory_limit_bytes
    threads = settings.storage.thread_count
    value = f"{_gigabytes(installed)}, of which the engine may use {_gigabytes(limit)} on {threads} threads"
    if limit > installed:
        return _finding("machine", "memory", "warning", value, "Lower storage.memory_limit below what is installed")
    if limit < _MEMORY_WANTED:
        return _finding("machine", "memory", "warning", value, "Sync shorter ranges, or raise storage.memory_limit")
    return _finding("machine", "memory", "ok", value)


def _disk(workspace: Path) -> Finding:
    folder = _existing(workspace)
    free = shutil.disk_usage(folder).free
    value = f"{_gigabytes(free)} free at {folder}"
    if free < _DISK_WANTED:
        status = "failed" if free < _DISK_NEEDED else "warning"
        return _finding("machine", "disk", status, value, "Make room, or choose a folder on another disk with -w")
    return _finding("machine", "disk", "ok", value)


def _workspace(workspace: Path) -> Finding:
    folder = _existing(workspace)
    if not os.access(folder, os.W_OK | os.X_OK):
        return _finding(
            "workspace",
            "folder",
            "failed",
            f"{folder} cannot be written",
            "Change its owner, or choose another with -w",
        )
    if not (workspace / CONFIG_FILE).exists():
        return _finding("workspace", "folder", "warning", f"{workspace} is no workspace yet", "Run polyledger init")
    return _finding("workspace", "folder", "ok", str(workspace))


def _existing(path: Path) -> Path:
    """The path itself or the nearest folder above it that exists."""
    path = path.resolve()
    return next(folder for folder in (path, *path.parents) if folder.is_dir())


async def _examine_endpoints(settings: Settings, findings: list[Finding], endpoints: list[dict[str, Any]]) -> None:
    urls = settings.chain.rpc_urls if settings.chain.enabled else ()
    async with HttpClient("chain", timeout=_TIMEOUT_SECONDS) as http:
        clients = [JsonRpcClient(url, http) for url in urls]
        results: list[tuple[dict[str, Any], list[Finding]]] = [({}, []) for _ in clients]

        async def one(place: int) -> None:
            results[place] = await _examine_chain(clients[place], settings.chain.chain_id)

        async with anyio.create_task_group() as group:
            for place in range(len(clients)):
                group.start_soon(one, place)
    usable = any(endpoint["reachable"] for endpoint, _ in results)
    for endpoint, found in results:
        for finding in found:
            # One endpoint of several may be away: the next one takes over. None at all stops every run.
            if finding["name"] == "reachable" and finding["status"] == "failed" and usable:
                finding["status"] = "warning"
        endpoints.append(endpoint)
        findings.extend(found)
    for source in ("gamma", "clob"):
        if getattr(settings, source).enabled:
            await _examine_source(source, getattr(settings, source).url, findings, endpoints)


async def _examine_chain(client: JsonRpcClient, wanted_chain: int) -> tuple[dict[str, Any], list[Finding]]:
    endpoint: dict[str, Any] = {"source": "chain", "url": client.name, "reachable": False}
    endpoint |= dict.fromkeys(("chain_id", "head", "finalized", "finalized_known", "log_range", "latency_ms"))
    findings: list[Finding] = []

    def note(name: str, status: str, value: str, fix: str | None = None) -> None:
        findings.append(_finding(client.name, name, status, value, fix))

    try:
        chain = await _number(client, "eth_chainId")
        laps = []
        for _ in range(_LATENCY_CALLS):
            began = time.monotonic()
            head = await _number(client, "eth_blockNumber")
            laps.append(time.monotonic() - began)
    except NotJsonRpcError as error:
        note("reachable", "failed", error.what, error.next_step)
        return endpoint, findings
    except PolyledgerError as error:
        note("reachable", "failed", error.what, error.next_step or "Check the address, the network and the key")
        return endpoint, findings
    latency = round(sorted(laps)[len(laps) // 2] * 1000, 1)
    endpoint |= {"reachable": True, "chain_id": chain, "head": head, "latency_ms": latency}
    note("reachable", "ok", f"head {head:,}, {latency:g} ms")
    if chain != wanted_chain:
        fix = f"Set chain.rpc_url to an endpoint of chain {wanted_chain}, or chain.chain_id to {chain}"
        note("chain id", "failed", f"serves chain {chain}, not {wanted_chain}", fix)
        return endpoint, findings
    note("chain id", "ok", str(chain))
    await _examine_finality(client, endpoint, note)
    await _examine_log_range(client, endpoint, note)
    return endpoint, findings


async def _examine_finality(client: JsonRpcClient, endpoint: dict[str, Any], note: Note) -> None:
    try:
        raw = await client.call("eth_getBlockByNumber", ["finalized", False])
        header = msgspec.json.decode(raw)
        endpoint["finalized"] = int(header["number"], 16)
        endpoint["finalized_known"] = True
        note("finalized", "ok", f"known, block {endpoint['finalized']:,}")
    except UpstreamUnavailableError as error:
        note("finalized", "warning", error.what, "Run doctor again in a moment")
    except (SourceError, TypeError, KeyError, ValueError):
        # A node that does not know the tag refuses it, or answers null.
        endpoint["finalized_known"] = False
        fix = "Nothing needs to be done: the last 128 blocks are left out instead"
        note("finalized", "warning", "the tag is not known here", fix)


async def _examine_log_range(client: JsonRpcClient, endpoint: dict[str, Any], note: Note) -> None:
    last = endpoint["finalized"] if endpoint["finalized"] is not None else endpoint["head"]
    refusal = ""
    for size in LOG_RANGES:
        query = {
            "fromBlock": hex(max(0, last - size + 1)),
            "toBlock": hex(last),
            "address": _ZERO_ADDRESS,
            "topics": [_NO_TOPIC],
        }
        try:
            await client.call("eth_getLogs", [query])
        except (RateLimitedError, UpstreamUnavailableError) as error:
            note("log range", "warning", error.what, "Run doctor again in a moment")
            return
        except SourceError as error:
            refusal = error.what
            continue
        endpoint["log_range"] = size
        if size >= NARROW_LOG_RANGE:
            more = " or more" if size == LOG_RANGES[0] else ""
            note("log range", "ok", f"{size:,} blocks{more}")
        else:
            fix = "The full history will take days: use an endpoint that allows more, or begin later with --from"
            note("log range", "warning", f"only {size:,} blocks at a time", fix)
        return
    note("log range", "failed", f"no logs at all: {refusal}", "Use an endpoint that offers eth_getLogs")


async def _examine_source(source: str, url: str, findings: list[Finding], endpoints: list[dict[str, Any]]) -> None:
    async with HttpClient(source, timeout=_TIMEOUT_SECONDS) as http:
        endpoint: dict[str, Any] = {"source": source, "url": mask_url(url), "reachable": False, "latency_ms": None}
        endpoints.append(endpoint)
        try:
            answer = await http.send("GET", url, judge=False)
        except PolyledgerError as error:
            fix = f"Markets stay without names until {source} answers; check {source}.url and the network"
            findings.append(_finding(endpoint["url"], "reachable", "warning", error.what, fix))
            return
        endpoint |= {"reachable": True, "latency_ms": round(answer.seconds * 1000, 1)}
        findings.append(_finding(endpoint["url"], "reachable", "ok", f"{source}, {endpoint['latency_ms']:g} ms"))


async def _number(client: JsonRpcClient, method: str) -> int:
    raw = await client.call(method)
    try:
        return int(msgspec.json.decode(raw, type=str), 16)
    except (msgspec.DecodeError, ValueError):
        raise NotJsonRpcError(
            f"{client.name} answered {method} with {bytes(raw[:80]).decode('utf-8', 'replace')}, not a hex number",
            "Set chain.rpc_url to the JSON-RPC address of a Polygon node",
        ) from None


def _gigabytes(size: int) -> str:
    return f"{size / _GIGABYTE:,.1f} GB"
