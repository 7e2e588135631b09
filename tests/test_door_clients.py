"""Clients of a door that misbehave or come in crowds, and the socket itself."""

from __future__ import annotations

import json
import os
import socket
import stat
import struct
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from polyledger.domain.errors import (
    PolyledgerError,
    RateLimitedError,
    UsageError,
    WorkspaceLockedError,
)
from polyledger.door import wire
from polyledger.door.client import Door
from polyledger.door.place import SOCKET_FILE
from polyledger.door.questions import QUESTIONS
from tests.held_ledgers import held, opened


def test_rubbish_and_silence_do_no_harm(door: Door, ledger: Path) -> None:
    rubbish = [
        b"",
        b"Q",
        b"GET / HTTP/1.1\r\n\r\n",
        os.urandom(4096),
        struct.pack(">cI", b"Q", 0xFFFFFFFF),
        struct.pack(">cI", b"Q", 3) + b"{}}",
        struct.pack(">cI", b"Q", 2) + b"[]",
        struct.pack(">cI", b"Q", 16) + b'{"arguments": 1}',
        struct.pack(">cI", b".", 0),
    ]
    silent = []
    for sent in rubbish * 3:
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(ledger / SOCKET_FILE))
        client.sendall(sent)
        silent.append(client)
    assert door.ask("coverage")["trades"]["total"] == 2000
    for client in silent:
        client.close()
    assert door.ask("coverage")["trades"]["total"] == 2000


def test_questions_that_do_not_exist(door: Door) -> None:
    with pytest.raises(UsageError, match="cannot answer 'horoscope'"):
        door.ask("horoscope")
    with pytest.raises(UsageError, match="another version"):
        door.ask("coverage", {"colour": "blue"})


def test_a_defect_of_an_answer_is_an_error_of_the_client_alone(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(QUESTIONS, "broken", lambda _asked: {"n": 1 / 0})
    monkeypatch.setitem(QUESTIONS, "odd", lambda _asked: {"n": object()})
    for name in ("broken", "odd"):
        with pytest.raises(PolyledgerError, match="could not answer"):
            door.ask(name)
    assert door.ask("coverage")["trades"]["total"] == 2000


def test_errors_survive_the_wire() -> None:
    for error in (
        RateLimitedError("slow down", "Wait", retry_after=2.5),
        UsageError("no"),
        WorkspaceLockedError("a", "b"),
    ):
        with pytest.raises(type(error)) as caught:
            wire.raise_failure(wire.failure(error))
        assert (caught.value.what, caught.value.next_step) == (error.what, error.next_step)
        assert getattr(caught.value, "retry_after", None) == getattr(error, "retry_after", None)
    for kind in ("NewerError", "annotations", 3):
        with pytest.raises(PolyledgerError, match="it was"):
            wire.raise_failure(wire.encode({"kind": kind, "what": "it was", "next_step": ""}))


def test_many_clients_at_once(door: Door) -> None:
    with ThreadPoolExecutor(12) as pool:
        wallets = pool.map(lambda _: door.ask("wallets", {"limit": 3}), range(12))
        counts = pool.map(lambda n: door.sql(f"SELECT count(*) AS n FROM range({n})").to_pylist(), range(12))
        assert len({json.dumps(document) for document in wallets}) == 1
        assert [rows[0]["n"] for rows in counts] == list(range(12))


def test_the_socket_is_for_its_owner_and_goes_with_the_run(ledger: Path) -> None:
    with held(ledger):
        mode = (ledger / SOCKET_FILE).lstat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
    assert not (ledger / SOCKET_FILE).exists()


def test_a_workspace_with_a_very_long_path(ledger: Path, tmp_path: Path) -> None:
    deep = tmp_path / ("deep" * 30) / ("deeper" * 20)
    deep.mkdir(parents=True)
    (deep / "ledger.duckdb").write_bytes((ledger / "ledger.duckdb").read_bytes())
    with held(deep):
        assert stat.S_ISSOCK((deep / SOCKET_FILE).lstat().st_mode)
        assert Door(deep).sql("SELECT count(*) AS n FROM fills").to_pylist() == [{"n": 2000}]


@pytest.mark.long
def test_an_answer_cut_off_by_the_end_of_the_run_comes_from_the_file(ledger: Path) -> None:
    """The query outlasts the run; the client asks again, finds the ledger free, and reads it itself."""
    slow = "SELECT count(*) AS n, sum(sleep_ms(30)) AS s FROM (SELECT unnest(range(60)) AS i)"
    with ThreadPoolExecutor(1) as pool, held(ledger) as open_door, opened(ledger) as workspace:
        asked = pool.submit(lambda: workspace.sql(slow).document)
        while not open_door.guard._works:
            assert not asked.done()
            time.sleep(0.01)
        open_door.close()
        assert not asked.done()
        open_door.database.close()
    assert asked.result()["rows"][0][0] == 60


def test_a_writer_waits_for_a_reader_that_is_about_to_end(ledger: Path) -> None:
    reading = "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=True); print('open', flush=True); input()"
    command = [sys.executable, "-c", reading, str(ledger / "ledger.duckdb")]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader,
        opened(ledger) as workspace,
    ):
        assert reader.stdout is not None
        assert reader.stdout.readline() == "open\n"
        threading.Timer(0.3, lambda: reader.communicate("\n")).start()
        with workspace._holding("sync", None) as held:
            assert held.database.query("SELECT count(*) FROM fills") == [(2000,)]
