"""While one process writes, it answers the others: the same documents, the same errors, and never at the run's cost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import polyledger
from polyledger.config import load_settings
from polyledger.domain.errors import (
    MalformedIdError,
    PolyledgerError,
    RateLimitedError,
    UnknownSubjectError,
    UsageError,
    WorkspaceLockedError,
)
from polyledger.door import wire
from polyledger.door.client import Door
from polyledger.door.place import SOCKET_FILE
from polyledger.door.questions import QUESTIONS
from polyledger.door.server import OpenDoor
from polyledger.store.database import Database
from polyledger.sync.lock import WorkspaceLock
from polyledger.workspace import Workspace
from tests.test_kills import SLOWED, start, wait_for_requests
from tests.worlds import COMMAND, command_environment, replica_of, stats, workspace_at, world_of

WALLET = "0xff863271d085713d681af7eac0711e637deaa039"
UNKNOWN = "0x" + "77" * 20


@pytest.fixture(scope="module")
def ledger(devworld: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished ledger of the shipped world."""
    return Path(shutil.copytree(devworld, tmp_path_factory.mktemp("door") / "ledger"))


@contextmanager
def held(folder: Path, *, status: dict[str, Any] | None = None, seconds_for_sql: float = 120.0) -> Iterator[OpenDoor]:
    """Hold the workspace as a run does, with its door open, from this process."""
    settings = load_settings(folder, {})
    with WorkspaceLock(folder, "sync"):
        database = Database(folder / "ledger.duckdb", read_only=False, memory_limit="1GB", threads=2)
        door = OpenDoor(
            database, settings, folder, status=lambda: status or {"schema": "s"}, seconds_for_sql=seconds_for_sql
        )
        try:
            door.start()
            yield door
        finally:
            door.close()
            database.close()


@pytest.fixture
def door(ledger: Path) -> Iterator[Door]:
    """The door of a ledger that is held."""
    with held(ledger):
        yield Door(ledger)


def opened(folder: Path) -> Workspace:
    return polyledger.open(folder, settings=load_settings(folder, {}))


def answers(folder: Path) -> dict[str, Any]:
    """Every question once, as documents, tables and errors."""
    with opened(folder) as workspace:
        condition = workspace.sql("SELECT min(condition_id) AS c FROM conditions").arrow()["c"][0].as_py()
        results = {
            "coverage": workspace.coverage(by="category"),
            "wallets": workspace.wallets(order_by="volume", limit=5),
            "average": workspace.wallets(method="average-cost"),
            "wallet": workspace.wallet(WALLET),
            "verify": workspace.verify(),
            "explain": workspace.explain(condition),
            "conflicts": workspace.conflicts(),
            "gaps": workspace.gaps(),
            "plan": workspace.plan(),
            "sql": workspace.sql("SELECT * FROM fills ORDER BY block, log_index"),
            "nothing": workspace.sql("SELECT * FROM fills WHERE false"),
            "shown": workspace.sql("DESCRIBE fills"),
        }
        errors = {}
        for name, call in {
            "wallet": lambda: workspace.wallet("0x12"),
            "unknown": lambda: workspace.wallet(UNKNOWN),
            "sql": lambda: workspace.sql("SELECT nothing FROM fills"),
            "two": lambda: workspace.sql("SELECT 1; SELECT 2"),
            "later": lambda: workspace.sql("SELECT CAST(side || 'x' AS INTEGER) FROM fills"),
            "order": lambda: workspace.wallets(order_by="luck"),
        }.items():
            with pytest.raises(PolyledgerError) as caught:
                call()
            errors[name] = (type(caught.value), caught.value.what, caught.value.next_step, caught.value.exit_code)
        return {
            "documents": {name: result.document for name, result in results.items()},
            "tables": {name: result.arrow() for name, result in results.items()},
            "errors": errors,
        }


def test_answers_through_the_door_are_those_of_the_file(ledger: Path) -> None:
    direct = answers(ledger)
    with held(ledger):
        through = answers(ledger)
    assert through["documents"] == direct["documents"]
    assert through["errors"] == direct["errors"]
    assert direct["errors"]["unknown"][0] is UnknownSubjectError
    assert direct["errors"]["wallet"][0] is MalformedIdError
    for name, table in direct["tables"].items():
        assert through["tables"][name].schema == table.schema, name
        assert through["tables"][name].equals(table), name


def test_a_document_is_of_one_moment(ledger: Path) -> None:
    """What is committed while an answer is worked out is not in it."""
    with held(ledger) as open_door, open_door.database.snapshot() as before:
        database = open_door.database
        ((count,),) = before.query("SELECT count(*) FROM meta.settings")
        with database.transaction():
            database.set_setting("noted while reading", "1")
        assert before.query("SELECT count(*) FROM meta.settings") == [(count,)]
        assert Door(ledger).sql("SELECT count(*) AS n FROM meta.settings").to_pylist() == [{"n": count + 1}]
        with database.transaction() as connection:
            connection.execute("DELETE FROM meta.settings WHERE name = 'noted while reading'")


# --- what a query must not do


ATTACKS = [
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM glob('/*')",
    "SELECT getenv('HOME')",
    "COPY fills TO '{out}'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{out}'",
    "EXPORT DATABASE '{out}'",
    "ATTACH '{out}'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET memory_limit = '1MB'",
    "SET enable_external_access = true",
    "RESET memory_limit",
    "PRAGMA memory_limit = '1MB'",
    "PRAGMA database_size",
    "SET VARIABLE x = 1",
    "CALL force_checkpoint()",
    "CHECKPOINT",
    "FORCE CHECKPOINT",
    "VACUUM",
    "SELECT * FROM checkpoint()",
    'SELECT * FROM "Force_Checkpoint"()',
    "SELECT * FROM query('SELECT * FROM checkpoint()')",
    "SELECT 1 WHERE EXISTS (FROM enable_logging())",
    "WITH a AS (FROM disable_logging()) SELECT * FROM a",
    "EXPLAIN ANALYZE SELECT * FROM enable_profiling()",
    "SELECT write_log('x')",
    "SELECT * FROM duckdb_secrets()",
    "CREATE TABLE mine AS SELECT 1",
    "CREATE TEMP TABLE mine AS SELECT 1",
    "CREATE OR REPLACE TEMP VIEW fills AS SELECT 1",
    "INSERT INTO meta.settings VALUES ('a', 'b')",
    "WITH a AS (DELETE FROM meta.settings RETURNING *) SELECT * FROM a",
    "UPDATE meta.settings SET value = 'x'",
    "DELETE FROM chain.fills",
    "DROP VIEW fills",
    "BEGIN",
    "COMMIT",
    "DETACH ledger",
    "USE meta",
    "PREPARE a AS SELECT 1",
    "SELECT 1; DELETE FROM chain.fills",
    "",
    "nonsense",
]


def state_of(door: Door) -> list[dict[str, Any]]:
    query = (
        "SELECT (SELECT count(*) FROM chain.fills) AS fills, (SELECT count(*) FROM meta.settings) AS settings, "
        "(SELECT string_agg(name || '=' || value, ',' ORDER BY name) FROM duckdb_settings() WHERE name IN "
        "('memory_limit', 'enable_external_access', 'enable_logging', 'threads')) AS switches, "
        "(SELECT count(*) FROM duckdb_tables()) AS tables, (SELECT count(*) FROM duckdb_databases()) AS databases"
    )
    rows: list[dict[str, Any]] = door.sql(query).to_pylist()
    return rows


def test_queries_only_read(door: Door, ledger: Path, tmp_path: Path) -> None:
    before = state_of(door)
    for attack in ATTACKS:
        with pytest.raises(UsageError):
            door.sql(attack.format(out=tmp_path / "out"))
    assert state_of(door) == before
    assert not list(tmp_path.iterdir())
    with Path(__file__).open(encoding="utf-8") as table:  # a variable here is no table there
        assert table is not None
        with pytest.raises(UsageError):
            door.sql("SELECT * FROM table_of_the_test")
    # The same where no run goes on.
    local = ledger.with_name("local")
    local.mkdir()
    (local / "ledger.duckdb").write_bytes((ledger / "ledger.duckdb").read_bytes())
    with opened(local) as workspace:
        for attack in ATTACKS:
            with pytest.raises(UsageError):
                workspace.sql(attack.format(out=tmp_path / "out"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "query",
    [
        "WITH a AS (SELECT 1 AS n) SELECT * FROM a",
        "FROM fills LIMIT 1",
        "VALUES (1)",
        "EXPLAIN SELECT * FROM fills",
        "EXPLAIN (FORMAT json) SELECT * FROM fills",
        "EXPLAIN ANALYZE SELECT count(*) FROM fills",
        "SHOW TABLES",
        "DESCRIBE fills",
        "SUMMARIZE fills",
        "SELECT * FROM range(3), unnest([1, 2])",
        "SELECT 'SELECT * FROM checkpoint()', '\"function_name\":\"checkpoint\"' AS text",
        "SELECT " + " + ".join(["1"] * 900),
    ],
)
def test_what_queries_may_be(door: Door, query: str) -> None:
    assert door.sql(query).num_rows >= 1


def test_a_query_that_takes_too_long_is_stopped(ledger: Path) -> None:
    endless = "SELECT count(*) FROM range(1000000) a, range(100000000) b WHERE a.range + b.range = 3.5"
    with held(ledger, seconds_for_sql=0.5):
        with pytest.raises(WorkspaceLockedError, match="longer"):
            Door(ledger).sql(endless)
        assert Door(ledger).sql("SELECT 1 AS n").num_rows == 1


def test_a_query_that_takes_too_much_memory_is_stopped_and_the_writer_goes_on(ledger: Path) -> None:
    with held(ledger) as open_door:
        with pytest.raises((WorkspaceLockedError, UsageError), match=r"[Mm]emory"):
            Door(ledger).sql("SELECT list(repeat('x', 1000000) || i) FROM range(100000) AS r(i)")
        with open_door.database.transaction() as connection:
            connection.execute("CREATE TEMP TABLE work AS SELECT range AS n FROM range(1000000)")
            connection.execute("DROP TABLE work")


def test_rows_are_sent_while_they_are_worked_out(door: Door) -> None:
    """Five hundred million rows are more than this process would hold; nobody waits for the end of them."""
    connection = door._connect()
    with connection:
        wire.send_frame(connection, wire.QUESTION, wire.encode({"sql": "SELECT * FROM range(500000000)"}))
        received = 0
        while received < 20_000_000:
            kind, payload = wire.receive_frame(connection)
            assert kind == wire.DATA
            received += len(payload)
    # The client has gone; the answer is given up and the next one comes.
    assert door.sql("SELECT 1 AS n").num_rows == 1


# --- clients that misbehave


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


# --- the socket


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


# --- with a real run


@pytest.fixture(scope="module")
def slow_url() -> Iterator[str]:
    with replica_of(world_of(), SLOWED | {"http": {"latency_seconds": 2.0}}) as running:
        yield running


def run(folder: Path, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "-w", str(folder), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env=command_environment(url),
    )


def test_a_run_answers_other_processes_and_a_killed_one_keeps_nobody_out(slow_url: str, tmp_path: Path) -> None:
    stats(slow_url, reset=True)
    with start(tmp_path, slow_url) as writer:
        assert wait_for_requests(writer, slow_url, 12), writer.communicate()
        with ThreadPoolExecutor(4) as pool:
            status, coverage, count, refused = pool.map(
                lambda arguments: run(tmp_path, slow_url, *arguments),
                [
                    ["status", "--json"],
                    ["coverage", "--json"],
                    ["sql", "SELECT count(*) AS n FROM meta.runs WHERE state = 'running'", "--json"],
                    ["sync"],
                ],
            )
        assert writer.poll() is None, "the run was over before it was asked"
        writer.send_signal(signal.SIGKILL)
    document = json.loads(status.stdout)
    assert (document["run"]["state"], document["run"]["pid"]) == ("running", writer.pid)
    assert document["run"]["id"]
    assert json.loads(coverage.stdout)["schema"] == "polyledger.coverage/1"
    assert json.loads(count.stdout)["rows"] == [[1]]
    assert refused.returncode == 75
    assert (tmp_path / SOCKET_FILE).exists()  # nobody was left to remove it
    after = run(tmp_path, slow_url, "status", "--json")
    assert json.loads(after.stdout)["run"]["state"] == "interrupted"
    assert run(tmp_path, slow_url, "sql", "SELECT count(*) FROM fills").returncode == 0


def test_a_run_reports_to_watch_status_file_and_log(tmp_path: Path) -> None:
    with replica_of(world_of(), SLOWED | {"http": {"latency_seconds": 0.5}}) as url:
        with start(tmp_path, url) as writer:
            assert wait_for_requests(writer, url, 1), writer.communicate()
            lines = run(tmp_path, url, "watch", "--json", "--every", "0.2")
            out, err = writer.communicate(timeout=60)
        assert writer.returncode == 0, err
        assert lines.returncode == 0, lines.stderr
        documents = [json.loads(line) for line in lines.stdout.splitlines()]
        assert [document["run"]["state"] for document in documents][-1] == "done"
        assert documents[0]["run"]["state"] == "running"
        assert {document["schema"] for document in documents} == {"polyledger.status/1"}
        once = run(tmp_path, url, "watch", "--once")
        assert once.stdout.startswith("done")
    written = json.loads((tmp_path / "status.json").read_text())
    report = json.loads(out)
    assert (written["run"]["id"], written["run"]["state"]) == (report["run_id"], "done")
    assert written["coverage"] == report["coverage"]
    assert {"chain", "gamma"} <= {source["source"] for source in written["sources"]}
    lines_of_log = [json.loads(line) for line in (tmp_path / "polyledger.log").read_text().splitlines()]
    events = [line["event"] for line in lines_of_log]
    assert (events[0], events[-1]) == ("run started", "run ended")
    assert "stage finished" in events
    assert lines_of_log[-1]["run_id"] == report["run_id"]


@pytest.mark.long
def test_stopping_to_watch_leaves_the_run_alone(slow_url: str, tmp_path: Path) -> None:
    stats(slow_url, reset=True)
    with start(tmp_path, slow_url) as writer:
        assert wait_for_requests(writer, slow_url, 2), writer.communicate()
        command = [*COMMAND, "-w", str(tmp_path), "watch"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watcher:
            assert watcher.stdout is not None
            assert watcher.stdout.readline().startswith("running")
            watcher.send_signal(signal.SIGINT)
            _, said = watcher.communicate(timeout=30)
        assert (watcher.returncode, writer.poll()) == (130, None)
        assert said.startswith("Stopped watching; the run goes on.")
        writer.send_signal(signal.SIGTERM)
        writer.communicate(timeout=60)
    assert json.loads((tmp_path / "status.json").read_text())["run"]["state"] == "interrupted"


@pytest.mark.long
def test_retries_and_refusals_are_logged_without_secrets(tmp_path: Path) -> None:
    faults = {"rpc": {}, "http": {"error_share": 0.0}}
    del faults
    with (
        replica_of(world_of()) as url,
        workspace_at(tmp_path, url, gamma={"url": "http://127.0.0.1:9/key-s3cret"}) as w,
    ):
        assert w.sync()["state"] == "partial"
    text = (tmp_path / "polyledger.log").read_text()
    assert '"event": "retry"' in text
    assert '"event": "message"' in text
    assert "s3cret" not in text
