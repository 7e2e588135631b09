"""Ledgers of recorded worlds: a replica on a real socket, a workspace that reads it, and what the ledger then holds."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import httpx2

import polyledger
from polyledger.cli.app import run as run_command
from polyledger.config import load_settings
from polyledger.replica import World, load_world, parse_faults, serve
from polyledger.workspace import Workspace

FIRST_BLOCK = 52_000_000
HALF_OF_DEVWORLD = 52_000_250
NOWHERE = "http://127.0.0.1:9"
"""Nobody listens there."""
COMMAND = [sys.executable, "-m", "polyledger"]
COMPARED = ("fills", "journal", "positions", "conditions", "markets")
"""The exports by which two ledgers are called equal."""
SERVICES = {"gamma": "gamma", "clob": "clob", "data_api": "data", "subgraph": "subgraph"}
"""Where a replica serves what the sections of the settings name."""
HEAD_CHECK = {"eth_chainId", "eth_blockNumber", "eth_getBlockByNumber"}


@cache
def world_of(path: Path | None = None) -> World:
    """A world, loaded once; without a path the shipped one."""
    return load_world(path)


@cache
def document_of(path: Path) -> Any:
    """A recorded file as plain values, read without the code under test. Not to be changed."""
    with gzip.open(path) as file:
        return json.load(file)


@contextmanager
def replica_of(world: World, faults: dict[str, Any] | None = None) -> Iterator[str]:
    """Serve the world; the URL."""
    with serve(world, faults=None if faults is None else parse_faults(faults)) as url:
        yield url


def workspace_at(folder: Path, url: str, **sections: dict[str, Any]) -> Workspace:
    """A workspace that reads a replica. Sections add to, or replace, settings: ``gamma={"enabled": False}``."""
    chain = {"rpc_url": f"{url}/rpc", "from_block": FIRST_BLOCK, "requests_per_10s": 100_000}
    given = {"chain": chain} | {name: {"url": f"{url}/{path}"} for name, path in SERVICES.items()}
    for name, values in sections.items():
        given[name] = {**given.get(name, {}), **values}
    return polyledger.open(folder, settings=load_settings(folder, given))


def sync(folder: Path, url: str, **sections: dict[str, Any]) -> dict[str, Any]:
    """One run into the workspace; its report."""
    with workspace_at(folder, url, **sections) as workspace:
        return workspace.sync()


def exports(folder: Path, compared: tuple[str, ...] = COMPARED) -> dict[str, bytes]:
    """The ledger as CSV files: equal ledgers give equal bytes."""
    with polyledger.open(folder, settings=load_settings(folder, {})) as workspace, tempfile.TemporaryDirectory() as out:
        return {what: workspace.export(what, Path(out) / f"{what}.csv")["path"].read_bytes() for what in compared}


def assert_equal_ledgers(one: dict[str, bytes], other: dict[str, bytes]) -> None:
    """Fail with the first lines that differ, not with megabytes."""
    assert one.keys() == other.keys()
    for what, lines in one.items():
        if lines == other[what]:
            continue
        left, right = lines.decode().splitlines(), other[what].decode().splitlines()
        only_left, only_right = sorted(set(left) - set(right))[:3], sorted(set(right) - set(left))[:3]
        raise AssertionError(f"{what}: {len(left)} and {len(right)} lines; only one: {only_left}; other: {only_right}")


def stats(url: str, *, reset: bool = False) -> dict[str, Any]:
    """What the replica has been asked: requests by source, JSON-RPC calls by method."""
    answer = httpx2.get(f"{url}/stats", timeout=10).json()
    if reset:
        httpx2.post(f"{url}/stats/reset", timeout=10)
    assert isinstance(answer, dict)
    return answer


def control(url: str, **changes: Any) -> None:
    """Change the replica: ``head=…``, ``reorg=…``, ``faults=…``."""
    answer = httpx2.post(f"{url}/control", json=changes, timeout=30)
    assert answer.status_code == 200, answer.text


def command_environment(url: str) -> dict[str, str]:
    """The environment of a ``polyledger`` process that reads the replica, without settings of the person testing."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("POLYLEDGER_") and not k.endswith("_RPC_URL")}
    return {
        **kept,
        "POLYLEDGER_CHAIN__RPC_URL": f"{url}/rpc",
        "POLYLEDGER_CHAIN__FROM_BLOCK": str(FIRST_BLOCK),
        "POLYLEDGER_CHAIN__REQUESTS_PER_10S": "100000",
        **{f"POLYLEDGER_{name.upper()}__URL": f"{url}/{path}" for name, path in SERVICES.items()},
    }


def run_here(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command in this process, which has all code loaded: what it prints, and the exit code it would end with."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("POLYLEDGER_") and not k.endswith("_RPC_URL")}
    out, err = io.StringIO(), io.StringIO()
    given = [str(argument) for argument in arguments]
    with mock.patch.dict(os.environ, kept | variables, clear=True), redirect_stdout(out), redirect_stderr(err):
        code = run_command(given)
    return subprocess.CompletedProcess(given, code, out.getvalue(), err.getvalue())
