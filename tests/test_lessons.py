"""The page of lessons: each is answered, by tests that exist; and those answers that no other test shows."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from polyledger.ctf.contracts import ContractSet
from tests.paths import PROJECT
from tests.worlds import replica_of, sync, workspace_at, world_of

PAGE = PROJECT / "docs/concepts/lessons.md"


def test_every_lesson_is_answered_by_tests_that_exist() -> None:
    rows = [line.strip("| \n").split(" | ") for line in PAGE.read_text().splitlines() if re.match(r"\| \d+ \|", line)]
    assert [int(row[0]) for row in rows] == list(range(1, 27))
    for row in rows:
        named = re.findall(r"`(test_\w+)::(test_\w+)`", row[-1])
        assert named, row
        for module, name in named:
            text = (PROJECT / "tests" / f"{module}.py").read_text(encoding="utf-8")
            assert re.search(rf"^def {name}\(", text, re.MULTILINE), (row[0], module, name)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str, str]]:
    """A synced workspace, the URL of its replica, and the id of the run. Not to be changed: take a copy."""
    folder = tmp_path_factory.mktemp("lessons")
    with replica_of(world_of()) as url:
        yield folder, url, sync(folder, url)["run_id"]


def test_known_contracts_are_in_no_ranking(ledger: tuple[Path, str, str]) -> None:
    folder, url, _ = ledger
    known = {f"0x{address.hex()}" for address in ContractSet.mainnet().exchanges}
    with workspace_at(folder, url) as workspace:
        ranked = {row["wallet"] for row in workspace.wallets().document["wallets"]}
        traded = {row[0] for row in workspace.sql("SELECT DISTINCT counterparty FROM fills").document["rows"]}
    assert known & traded  # they do trade: every taker leg has the exchange opposite
    assert ranked
    assert not known & ranked


def test_a_run_is_on_record_and_its_figures_can_be_had_again(ledger: tuple[Path, str, str]) -> None:
    folder, url, run_id = ledger
    with workspace_at(folder, url) as workspace:
        assert workspace.status()["run"]["id"] == run_id
        for table in ("meta.runs", "meta.intervals", "meta.evidence"):
            runs = workspace.sql(f"SELECT DISTINCT run_id FROM {table}").document["rows"]
            assert runs == [[run_id]], table
        assert workspace.wallets().document == workspace.wallets().document
        assert workspace.coverage().document == workspace.coverage().document


@pytest.mark.parametrize("column", ["shares", "collateral"])
@pytest.mark.parametrize(
    "factor", [128, *(pytest.param(one, marks=pytest.mark.long) for one in (2, 8, 1_000_000, 0.5, 1 / 128))]
)
def test_a_constant_factor_raises_an_alarm(
    ledger: tuple[Path, str, str], column: str, factor: float, tmp_path: Path
) -> None:
    folder, url, _ = ledger
    shutil.copytree(folder, tmp_path / "copy")
    with duckdb.connect(str(tmp_path / "copy" / "ledger.duckdb")) as connection:
        connection.execute(f"UPDATE chain.fills SET {column} = CAST({column} * {factor} AS BIGINT)")
    with workspace_at(tmp_path / "copy", url) as workspace:
        document = workspace.verify().document
    assert not document["ok"]
    assert any(check["failed"] for check in document["checks"])
