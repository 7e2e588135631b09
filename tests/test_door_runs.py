"""A real run answers other processes, and reports to watch, status file and log."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from polyledger.door.place import SOCKET_FILE
from tests.test_kills import SLOWED, start, wait_for_requests
from tests.worlds import COMMAND, command_environment, replica_of, stats, workspace_at, world_of


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
