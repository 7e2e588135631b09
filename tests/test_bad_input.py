"""Bad endpoints, ids, ranges and settings, as processes: one paragraph with what to do, and nothing lost."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from polyledger.ctf.contracts import ContractSet
from tests.refusals import assert_refused, copy_of, long, run
from tests.worlds import (
    assert_equal_ledgers,
    exports,
    stats,
    sync,
)


@contextmanager
def web_server(status: int, body: bytes) -> Iterator[str]:
    """Answers everything the same way, as a server does that is no node."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(200, b"<html><body>Welcome</body></html>", id="page"),
        pytest.param(404, b"Not found", id="plain"),
        pytest.param(200, b'{"data": []}', id="other-json", marks=long),
        pytest.param(501, b"Unsupported method ('POST')", id="file-server", marks=long),
    ],
)
def test_an_endpoint_that_is_no_node(status: int, body: bytes, half_world: Path, url: str, tmp_path: Path) -> None:
    workspace = copy_of(half_world, tmp_path)
    with web_server(status, body) as other:
        done = run(url, workspace, "sync", POLYLEDGER_CHAIN__RPC_URL=other)
    assert_refused(done, 2, other, "chain.rpc_url")
    assert_equal_ledgers(exports(workspace), exports(half_world))


def test_no_endpoint_and_another_chain(half_world: Path, devworld: Path, url: str, tmp_path: Path) -> None:
    workspace = copy_of(half_world, tmp_path)
    away = run(url, workspace, "sync", POLYLEDGER_CHAIN__RPC_URL="http://127.0.0.1:1/key")
    assert_refused(away, 75, "http://127.0.0.1:1", "cannot be reached", "Try again later")
    fresh = tmp_path / "fresh"
    other = run(url, fresh, "sync", POLYLEDGER_CHAIN__CHAIN_ID="80002")
    assert_refused(other, 2, "serves chain 137", "80002", "chain.rpc_url")
    # The ledgers are none the worse: the right settings complete both.
    for folder in (workspace, fresh):
        assert sync(folder, url)["state"] == "done"
        assert_equal_ledgers(exports(folder), exports(devworld))


@long
def test_an_empty_list_of_endpoints(url: str, tmp_path: Path) -> None:
    assert_refused(run(url, tmp_path, "sync", POLYLEDGER_CHAIN__RPC_URL=" "), 2, "chain.rpc_url", "names no endpoint")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["wallet", "0x12"], "'0x12' is not an address"),
        pytest.param(["wallet", "0x" + "12" * 20], "0x" + "12" * 20, marks=long),
        pytest.param(["explain", "0x" + "1" * 63], "is not a condition id", marks=long),
        pytest.param(["wallet", ""], "not an address", marks=long),
        pytest.param(["wallet", "0x" + "zz" * 20], "not an address", marks=long),
        pytest.param(["explain", "0x" + "12" * 32], "has never seen", marks=long),
        pytest.param(["explain", "12345"], "has never seen", marks=long),
        pytest.param(["explain", str(2**256)], "below 2^256", marks=long),
        pytest.param(["explain", "0x" + "12" * 32 + ":x"], "is not a fill id", marks=long),
        pytest.param(["explain", "0x" + "12" * 32 + ":7"], "no fill", marks=long),
        pytest.param(["explain", "-5"], "is not an id", marks=long),
        pytest.param(["wallets", "--category", "Nonsense"], "Nonsense", marks=long),
        (["sync", "--from", "52000300", "--to", "52000100"], "from_block 52000300 is past to_block 52000100"),
        (["sync", "--from", "99000000"], "99,000,000"),
        pytest.param(["sync", "--from", str(2**70)], "chain.from_block", marks=long),
        pytest.param(["sync", "--from", "-1"], "chain.from_block", marks=long),
        pytest.param(["sync", "--to", "soon"], "chain.to_block", marks=long),
    ],
)
def test_ids_and_ranges_that_make_no_sense(
    arguments: list[str], part: str, half_world: Path, url: str, tmp_path: Path
) -> None:
    workspace = copy_of(half_world, tmp_path)
    assert_refused(run(url, workspace, *arguments), 2, part)
    assert_equal_ledgers(exports(workspace), exports(half_world))


CONDITIONAL_TOKENS = "0x4d97dcd97ec945f40cf65f87097ace5ea0476045"
COLLATERAL = "0x2791bca1f2de4661ed88a30c99a7a9449aa84174"


@pytest.mark.parametrize(
    ("contracts", "part"),
    [
        ({"collateral": COLLATERAL}, "no conditional_tokens"),
        pytest.param({"conditional_tokens": CONDITIONAL_TOKENS}, "no collateral", marks=long),
        pytest.param({"conditional_tokens": "0x12", "collateral": COLLATERAL}, "not an address", marks=long),
        pytest.param({"tokens": CONDITIONAL_TOKENS}, "unknown role", marks=long),
        pytest.param({}, "names no contract", marks=long),
        pytest.param(
            {
                "conditional_tokens": CONDITIONAL_TOKENS,
                "collateral": COLLATERAL,
                "neg_risk_adapter": "0xd91e80cf2e7be2e162c6513ced06f1dd0da35296",
            },
            "no wrapped_collateral",
            marks=long,
        ),
    ],
)
def test_a_contract_set_that_no_books_can_be_kept_for(
    contracts: dict[str, str], part: str, url: str, tmp_path: Path
) -> None:
    done = run(url, tmp_path, "sync", POLYLEDGER_CHAIN__CONTRACTS=json.dumps(contracts))
    assert_refused(done, 2, part, "chain.contracts")


def test_mainnet_is_a_usable_contract_set() -> None:
    ContractSet.mainnet().check_usable()


def test_a_ledger_keeps_to_what_it_was_begun_with(half_world: Path, devworld: Path, url: str, tmp_path: Path) -> None:
    workspace = copy_of(half_world, tmp_path)
    own = json.dumps({"conditional_tokens": CONDITIONAL_TOKENS, "collateral": COLLATERAL})
    stats(url, reset=True)
    for variable, value, parts in (
        ("CONTRACTS", own, ["chain.contracts", "exchange_v1 0x4bfb41d5b3570defd03c39a9a4d8de6bd8b8982e", "more"]),
        ("COLLATERAL_TRANSFERS", "all", ["collateral_transfers was protocol and is now all"]),
        ("CHAIN_ID", "80002", ["chain_id was 137 and is now 80002"]),
    ):
        done = run(url, workspace, "sync", **{f"POLYLEDGER_CHAIN__{variable}": value})
        assert_refused(done, 2, *parts, "begun with other settings", "another workspace")
    assert stats(url)["requests"].get("rpc", 0) == 0
    assert_equal_ledgers(exports(workspace), exports(half_world))
    assert sync(workspace, url)["state"] == "done"
    assert_equal_ledgers(exports(workspace), exports(devworld))


@pytest.mark.long
def test_wrong_settings_before_the_first_block_bind_nobody(devworld: Path, url: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    own = json.dumps({"conditional_tokens": "0x" + "11" * 20, "collateral": "0x" + "22" * 20})
    variables = {"POLYLEDGER_CHAIN__CONTRACTS": own, "POLYLEDGER_CHAIN__RPC_URL": f"http://127.0.0.1:{port}"}
    assert run(url, tmp_path, "sync", **variables).returncode == 75
    assert sync(tmp_path, url)["state"] == "done"
    assert_equal_ledgers(exports(tmp_path), exports(devworld))
