"""Tens of thousands of missing keys: what a plan costs beside what is asked, under limits, faults, kills, a budget."""

from __future__ import annotations

import functools
import json
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from bench.market_world import MarketWorld, generate

from polyledger.replica import World, load_world
from polyledger.replica.fault_layer import Windows
from polyledger.replica.faults import DOCUMENTED_LIMITS
from polyledger.workspace import Workspace
from tests.worlds import COMMAND, command_environment, control, replica_of, stats, workspace_at

SMALL, LARGE = 2_000, 44_047
SIZES = [SMALL, pytest.param(LARGE, marks=pytest.mark.long)]
HALF = {"gamma": 150, "clob": 450, "data_api": 100, "subgraph": 25}  # the default settings: half of what is documented
FAULTS = {"too_many_requests": 0.15, "server_errors": 0.10, "resets": 0.05, "truncated": 0.10}
MAPPING = """
SELECT '0x' || lower(hex(condition_id)) AS condition, market_id, slug, event_id, category, numerators
FROM book.condition_facts ORDER BY condition
"""


@functools.cache
def generated(conditions: int) -> MarketWorld:
    return generate(conditions)


@functools.cache
def served(conditions: int, folder: Path) -> World:
    folder.mkdir(exist_ok=True)
    return load_world(generated(conditions).write(folder, f"of{conditions}"))


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("worlds")


@contextmanager
def replica(conditions: int, worlds: Path, **faults: Any) -> Iterator[str]:
    with replica_of(served(conditions, worlds), faults or None) as url:
        yield url


def imported(folder: Path, conditions: int, by: str = "condition_id") -> Path:
    """A workspace with the trades of the world and nothing else."""
    trades = folder / f"trades-{by}.parquet"
    pq.write_table(generated(conditions).trades(by=by), trades)
    ledger = folder / f"ledger-{by}"
    with workspace_at(ledger, "http://127.0.0.1:9", chain={"enabled": False}) as workspace:
        assert workspace.import_trades([trades])["rows"]["rejected"] == 0
    return ledger


def workspace(folder: Path, url: str, limits: dict[str, int] | None = None) -> Workspace:
    """The workspace as this process opens it, asking the replica's market services, and no chain."""
    sections = {name: {"requests_per_10s": n} for name, n in (limits or {}).items()}
    return workspace_at(folder, url, chain={"enabled": False}, **sections)


def environment(url: str, limits: dict[str, int] | None = None) -> dict[str, str]:
    """That of a process that asks the replica's market services, and no chain."""
    given = {f"POLYLEDGER_{name.upper()}__REQUESTS_PER_10S": str(n) for name, n in (limits or {}).items()}
    return command_environment(url) | {"POLYLEDGER_CHAIN__ENABLED": "false"} | given


def polyledger(folder: Path, url: str, *words: str, limits: dict[str, int] | None = None) -> Any:
    """Run a command in a process of its own; its JSON document with the exit code in it, and what it said."""
    done = subprocess.run(
        [*COMMAND, "-w", str(folder), *words, "--json"],
        capture_output=True, text=True, timeout=900, env=environment(url, limits),
    )  # fmt: skip
    assert done.stdout, done.stderr
    return {**json.loads(done.stdout), "exit_code": done.returncode, "said": done.stderr}


def mapping(folder: Path) -> list[tuple[Any, ...]]:
    """Everything the ledger knows of each condition."""
    with workspace_at(folder, "http://127.0.0.1:9") as workspace:
        return [
            (*names, None if payout is None else [part / sum(payout) for part in payout])
            for *names, payout in (row.values() for row in workspace.sql(MAPPING).arrow().to_pylist())
        ]


def truth(conditions: int) -> list[tuple[Any, ...]]:
    """The same by the generator's own lists."""
    world = generated(conditions)
    return sorted(
        (
            market.condition_id, market.market_id, market.slug, market.event_id, market.category or "Uncategorized",
            list(world.payouts[market.condition_id]) if market.condition_id in world.payouts else None,
        )
        for market in world.markets
    )  # fmt: skip


def test_a_generated_world_is_the_same_every_time_and_another_seed_another_one() -> None:
    one, again, other = generate(200), generate(200), generate(200, seed=2)
    assert (one.markets, one.payouts, one.volumes) == (again.markets, again.payouts, again.volumes)
    assert {m.condition_id for m in one.markets}.isdisjoint(m.condition_id for m in other.markets)
    winners: dict[str, int] = {}
    for market in one.markets:
        if market.neg_risk_market_id is not None and one.payouts.get(market.condition_id) == (1, 0):
            winners[market.neg_risk_market_id] = winners.get(market.neg_risk_market_id, 0) + 1
    assert winners
    assert set(winners.values()) == {1}


@pytest.mark.parametrize("conditions", SIZES)
def test_missing_markets_are_asked_for_in_full_batches_within_the_documented_limits(
    conditions: int, worlds: Path, tmp_path: Path
) -> None:
    ledger = imported(tmp_path, conditions)
    with (
        replica(conditions, worlds, http={"limits": DOCUMENTED_LIMITS}) as url,
        workspace(ledger, url, HALF) as opened,
    ):
        plan = opened.plan().document
        assert stats(url)["requests"] == {}
        done = opened.sync()
        asked = stats(url)["requests"]
        (stage, *_) = opened.status()["stages"]
        again = opened.sync()
        nothing_new = stats(url)["requests"]
    assert done["state"] == "done"
    assert stage["expected"]["keys"] == stage["actual"]["keys"] == stage["actual"]["found"]
    assert mapping(ledger) == truth(conditions)
    assert done["coverage"]["trades"]["market"] == done["coverage"]["trades"]["total"]
    # Full batches, the likelier closed state first, nobody asked twice, no refusal for want of patience.
    assert asked == {"gamma": done["requests"]["gamma"]}
    assert sum(asked.values()) <= max(30, conditions * 600 / LARGE)
    assert sum(asked.values()) <= plan["requests"] <= 1.35 * sum(asked.values())
    assert nothing_new == asked
    assert again["state"] == "done"


@pytest.mark.parametrize("conditions", SIZES)
@pytest.mark.long
def test_missing_tokens_are_told_by_their_siblings_and_by_whoever_is_free(
    conditions: int, worlds: Path, tmp_path: Path
) -> None:
    ledger = imported(tmp_path, conditions, "token_id")
    fast = {name: 10 * limit for name, limit in HALF.items()}
    with replica(conditions, worlds) as url, workspace(ledger, url, fast) as opened:
        done = opened.sync()
        asked = stats(url)["requests"]
        status = opened.status()
    assert done["state"] == "done"
    assert [row[:4] for row in mapping(ledger)] == [row[:4] for row in truth(conditions)]
    assert done["coverage"]["trades"]["condition"] == done["coverage"]["trades"]["total"]
    assert done["coverage"]["links"] == {"proven": 2 * conditions, "claimed": 0, "refuted": 0}
    assert sum(asked.values()) <= max(80, conditions * 1_000 / LARGE)
    # What was expected stands beside what came, and the stages account for every request.
    begun = [stage for stage in status["stages"] if stage["actual"] is not None]
    assert sum(stage["actual"]["requests"] for stage in begun) == sum(asked.values())
    tokens = [stage["actual"]["found"] for stage in begun if stage["action"] == "tokens"]
    assert sum(tokens) == 2 * conditions


@pytest.mark.long
@pytest.mark.parametrize("conditions", [SMALL, LARGE])
def test_faults_change_nothing_but_the_number_of_requests(conditions: int, worlds: Path, tmp_path: Path) -> None:
    ledger = imported(tmp_path, conditions)
    with replica(conditions, worlds, seed=5, http=FAULTS) as url:
        for _ in range(3):  # a source that fails nine times in a row is given up; another run asks it again
            with workspace(ledger, url) as opened:
                done = opened.sync()
            if done["state"] == "done":
                break
        asked = stats(url)["requests"]
    assert done["state"] == "done", done["message"]
    assert mapping(ledger) == truth(conditions)
    assert asked["gamma"] > 1.2 * conditions / 98


def killed(ledger: Path, url: str, requests: int, seconds: float) -> bool:
    """Run sync and kill it so long after so many requests; False when it was done before."""
    stats(url, reset=True)
    with subprocess.Popen(
        [*COMMAND, "-w", str(ledger), "sync", "--json"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment(url),
    ) as process:  # fmt: skip
        while process.poll() is None and sum(stats(url)["requests"].values()) < requests:
            time.sleep(0.01)
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        _, said = process.communicate()
    assert process.returncode in {0, -signal.SIGKILL}, said
    return process.returncode != 0


@pytest.mark.long
@pytest.mark.parametrize(("conditions", "kills"), [(SMALL, 2), (LARGE, 20)])
def test_kills_lose_at_most_what_was_under_way(conditions: int, kills: int, worlds: Path, tmp_path: Path) -> None:
    dice = random.Random(kills)
    ledger = imported(tmp_path, conditions)
    total = 0
    with replica(conditions, worlds, http={"latency_seconds": 0.15}) as url:
        for _ in range(kills):
            if not killed(ledger, url, dice.randint(2, max(4, conditions // 98 // kills)), dice.random()):
                break
            total += sum(stats(url)["requests"].values())
        stats(url, reset=True)
        done = polyledger(ledger, url, "sync")
        total += sum(stats(url)["requests"].values())
        status = polyledger(ledger, url, "status")
    assert done["state"] == "done"
    assert status["run"]["state"] == "done"
    assert mapping(ledger) == truth(conditions)
    # A kill costs the answers of about a second and the requests under way, never what was committed before.
    assert total <= 1.2 * conditions / 98 + 40 * (kills + 1)


def test_a_budget_ends_a_run_in_time_and_another_does_the_rest(worlds: Path, tmp_path: Path) -> None:
    ledger = imported(tmp_path, SMALL)
    with replica(SMALL, worlds, http={"latency_seconds": 1.0}) as url:
        slow = {"gamma": 10}  # one request a second: 2,000 markets take more than twenty
        plan = polyledger(ledger, url, "plan", "--budget", "4s", limits=slow)
        part = polyledger(ledger, url, "sync", "--budget", "4s", limits=slow)
        asked = stats(url)["requests"]["gamma"]
        status = polyledger(ledger, url, "status")
        shown = subprocess.run(
            [*COMMAND, "-w", str(ledger), "status"],
            capture_output=True, text=True, timeout=60, env=environment(url) | {"COLUMNS": "80"},
        ).stdout.splitlines()  # fmt: skip
        control(url, faults={})
        rest = polyledger(ledger, url, "sync")
    assert not plan["fits_budget"]
    assert 0 < plan["buys"]["requests"] < plan["requests"]
    assert (part["state"], part["exit_code"]) == ("partial", 4)
    assert part["said"].splitlines()[-1].startswith("Stopped early; what was fetched is saved. To go on:")
    assert part["said"].splitlines()[-1].endswith(f"-w {ledger} sync")
    assert 0 < part["coverage"]["trades"]["market"] < part["coverage"]["trades"]["total"]
    assert asked < 20
    assert max(map(len, shown[:-1])) <= 80
    assert shown[shown.index(next(line for line in shown if line.startswith("planned → done"))) + 1].startswith("gamma")
    assert shown[-1].endswith(f"-w {ledger} sync")
    assert status["run"]["state"] == "partial"
    assert status["resume"] == f"polyledger -w {ledger} sync"
    assert (rest["state"], rest["exit_code"]) == ("done", 0)
    assert mapping(ledger) == truth(SMALL)


@pytest.mark.long
def test_a_source_that_dies_in_the_middle_leaves_its_keys_to_the_others(worlds: Path, tmp_path: Path) -> None:
    ledger = imported(tmp_path, SMALL, "token_id")
    slow = {"gamma": 10, "clob": 450, "data_api": 20, "subgraph": 1}  # shared out, so that all are at work
    dead = {"sources": ["data"], "down": [(3, 1_000_000)]}
    said: list[str] = []
    with replica(SMALL, worlds, http=dead) as url, workspace(ledger, url, slow) as opened:
        done = opened.sync(progress=lambda event: said.append(str(event.get("message") or "")))
        asked = stats(url)["requests"]
        status = opened.status()
    assert done["coverage"]["trades"]["condition"] == done["coverage"]["trades"]["total"]
    assert [row[:4] for row in mapping(ledger)] == [row[:4] for row in truth(SMALL)]
    assert done["state"] == "done"  # nothing is missing for want of it
    assert any(message.startswith("The data_api source failed") for message in said)
    assert asked["data"] < 3 * 9 * 4 + 10  # three tries of nine attempts by four workers, then it is left alone
    by_source = {line["source"]: line for line in status["sources"]}
    assert by_source["gamma"]["found"] > by_source["data_api"]["found"] > 0


@pytest.mark.long
def test_a_service_that_limits_is_waited_for(worlds: Path, tmp_path: Path) -> None:
    ledger = imported(tmp_path, SMALL)
    with replica(SMALL, worlds, http={"limits": {"gamma/markets": 10}}) as url, workspace(ledger, url) as opened:
        done = opened.sync()  # nobody holds itself back on loopback
        asked = stats(url)["requests"]
    assert done["state"] == "done"
    assert mapping(ledger) == truth(SMALL)
    assert 0 < asked["gamma:refused"] < asked["gamma"]


def test_limits_count_what_went_through_in_the_last_ten_seconds() -> None:
    now = 0.0
    windows = Windows(lambda: now)
    limits = {"gamma": 3, "gamma/markets": 2}
    assert [windows.take("gamma/markets/keyset", limits) for _ in range(3)] == [0, 0, 10]
    now = 4.5
    assert windows.take("gamma/markets/1", limits) == 6  # 5.5 seconds, in whole ones
    assert windows.take("gamma/events/keyset", limits) == 0
    assert windows.take("gamma/marketsomething", limits) == 6
    assert windows.take("clob/markets", limits) == 0
    now = 10.0
    assert [windows.take("gamma/markets", limits) for _ in range(3)] == [0, 0, 5]
