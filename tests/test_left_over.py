"""Sources that each know a part: what one leaves over goes to the next, to the last key, and the run ends."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from bench.market_world import generate

import polyledger
from polyledger.config import load_settings
from polyledger.replica import load_world
from tests.worlds import COMMAND, command_environment, replica_of

CONDITIONS = 2_000
SERVED = ("gamma", "data", "subgraph")


@pytest.mark.parametrize("round_of", range(3))
def test_keys_that_several_sources_do_not_know_keep_nobody_waiting(tmp_path: Path, round_of: int) -> None:
    world = generate(CONDITIONS, seed=round_of)
    trades, ledger = tmp_path / "trades.parquet", tmp_path / "ledger"
    pq.write_table(world.trades(by="token_id"), trades)
    missing = {name: set(world.unknown_to(name, 1 / 3)) for name in SERVED}
    faults = {"markets": {f"missing_{name}": sorted(unknown) for name, unknown in missing.items()}}
    with replica_of(load_world(world.write(tmp_path, "thirds")), faults) as url:
        environment = command_environment(url) | {
            "POLYLEDGER_CHAIN__ENABLED": "false",
            "POLYLEDGER_CLOB__ENABLED": "false",
        }
        for words in (["import", str(trades)], ["sync", "--only", "tokens"]):
            subprocess.run([*COMMAND, "-w", str(ledger), *words], env=environment, check=True, timeout=60)
    nobody = set.intersection(*missing.values())
    with polyledger.open(ledger, settings=load_settings(ledger, {})) as workspace:
        attributed = workspace.coverage().document["trades"]
    assert attributed["condition"] * CONDITIONS == attributed["total"] * (CONDITIONS - len(nobody))
