"""A run may die at any moment, or be stopped: nothing is lost, nothing is double, the same command goes on."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worlds import (
    COMMAND,
    HEAD_CHECK,
    assert_equal_ledgers,
    command_environment,
    exports,
    replica_of,
    stats,
    sync,
    workspace_at,
    world_of,
)

# About eighteen ranges, each a transaction of its own, so that a kill often falls between or inside commits.
SLOWED = {"rpc": {"max_block_range": 30, "range_refusal": "limited"}, "http": {"latency_seconds": 0.03}}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with replica_of(world_of(), SLOWED) as running:
        yield running


@pytest.fixture(scope="module")
def undisturbed(url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The ledger of a run that nothing happened to."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert sync(folder, url)["state"] == "done"
    return exports(folder)


def start(folder: Path, url: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, "-w", str(folder), "sync", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=command_environment(url),
    )


def wait_for_requests(process: subprocess.Popen[str], url: str, count: int) -> bool:
    """Wait until the process has made so many requests; False when it ended before."""
    while process.poll() is None:
        if sum(stats(url)["requests"].values()) >= count:
            return True
        time.sleep(0.005)
    return False


def kill_somewhere(folder: Path, url: str, dice: random.Random) -> bool:
    """Start a run and kill it after a random number of requests and milliseconds; False when it was done before."""
    stats(url, reset=True)
    with start(folder, url) as process:
        alive = wait_for_requests(process, url, dice.choice([1, 2, 3, 4, 6, 8, 12, 16, 20, 24]))
        if alive:
            time.sleep(dice.random() * 0.2)
            alive = process.poll() is None
        process.send_signal(signal.SIGKILL)
        _, said = process.communicate()
    assert process.returncode in {0, -signal.SIGKILL}, said
    return process.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("kills", "seed"), [pytest.param(3, 1, id="3"), pytest.param(50, 2, id="50", marks=pytest.mark.long)]
)
def test_kills_at_random_moments_leave_no_trace(
    kills: int, seed: int, url: str, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    dice = random.Random(seed)
    done = ledgers = 0
    while done < kills:
        # A ledger that got through in spite of its kills is compared, and the next one starts from nothing.
        ledgers += 1
        folder = tmp_path / f"ledger{ledgers}"
        while done < kills and kill_somewhere(folder, url, dice):
            done += 1
        assert sync(folder, url)["state"] == "done"
        assert_equal_ledgers(exports(folder), undisturbed)
        stats(url, reset=True)
        report = sync(folder, url)
        again = stats(url)
        assert (report["state"], set(again["requests"])) == ("done", {"rpc"})
        assert set(again["rpc"]["calls"]) <= HEAD_CHECK
        assert_equal_ledgers(exports(folder), undisturbed)
        with workspace_at(folder, url) as workspace:
            assert workspace.verify().document["ok"] is True
            runs = workspace.status()
        assert runs["run"]["state"] == "done"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    "requests", [8, pytest.param(1, marks=pytest.mark.long), pytest.param(20, marks=pytest.mark.long)]
)
def test_a_stopped_run_says_what_is_saved_and_how_to_go_on(
    number: signal.Signals, requests: int, url: str, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    stats(url, reset=True)
    with start(tmp_path, url) as process:
        assert wait_for_requests(process, url, requests), process.communicate()
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert out == ""
    assert "Traceback" not in err
    last = err.strip().splitlines()[-1]
    assert "saved" in last
    assert last.endswith(f"-w {tmp_path} sync")
    with workspace_at(tmp_path, url) as workspace:
        status = workspace.status()
    assert status["run"]["state"] == "interrupted"
    assert status["resume"] == f"polyledger -w {tmp_path} sync"
    environment = command_environment(url)
    again = subprocess.run(
        [*COMMAND, "-w", str(tmp_path), "sync", "--json"], capture_output=True, text=True, timeout=60, env=environment
    )
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["state"] == "done"
    assert_equal_ledgers(exports(tmp_path), undisturbed)


@pytest.fixture
def slow_url() -> Iterator[str]:
    """A replica so slow that a run lasts longer than another takes to start, on a busy machine too."""
    with replica_of(world_of(), SLOWED | {"http": {"latency_seconds": 1.5}}) as running:
        yield running


@pytest.mark.long
def test_a_second_writer_is_told_who_holds_the_ledger(slow_url: str, tmp_path: Path) -> None:
    url = slow_url
    with start(tmp_path, url) as first:
        assert wait_for_requests(first, url, 6)
        with start(tmp_path, url) as second:
            _, said = second.communicate(timeout=30)
        first.send_signal(signal.SIGTERM)
        first.communicate(timeout=30)
    assert second.returncode == 75, said  # try again later
    assert str(first.pid) in said
    assert "sync" in said
    assert said.count("\n") == 1
