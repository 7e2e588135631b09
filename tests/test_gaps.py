"""What is missing in a ledger, as gaps and as keys: the shipped world with rows of somebody's warehouse beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import polyledger
from polyledger.config import load_settings
from polyledger.domain.records import Kind
from polyledger.store.attribution import attribute
from polyledger.store.database import Database
from polyledger.sync.gaps import gaps
from polyledger.sync.missing import measure
from polyledger.workspace import Workspace
from tests.imported_rows import Importer
from tests.worlds import replica_of, sync, workspace_at, world_of
from tests.worlds import run_here as run

MILLION = 1_000_000
WALLET = bytes(19) + b"\x07"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The shipped world without any names."""
    path = tmp_path_factory.mktemp("ledger")
    with replica_of(world_of()) as url:
        sync(path, url, gamma={"enabled": False}, clob={"enabled": False})
        yield path


@pytest.fixture(scope="module")
def imported(folder: Path) -> Path:
    """Beside the chain: rows by an unknown token, a foreign condition, a market id, a slug, and a transaction alone."""
    database = Database(folder / "ledger.duckdb", read_only=False, memory_limit=None, threads=None)
    with database.transaction() as connection:
        connection.execute("INSERT INTO dim.tokens VALUES (900000, ?, '77', NULL, NULL, NULL)", [bytes(31) + b"\x4d"])
        connection.execute("INSERT INTO dim.conditions VALUES (900000, ?)", [b"\xcc" * 32])
        connection.execute("INSERT INTO dim.accounts VALUES (900000, ?)", [WALLET])
        file = Importer(connection)
        row: dict[str, Any] = {"wallet": 900000, "side": 0, "shares": 5 * MILLION}
        file.trade(token=900000, collateral=3 * MILLION, timestamp=1_600_000_000, **row)
        file.trade(condition=900000, outcome_index=0, collateral=2 * MILLION, timestamp=1_600_000_001, **row)
        file.trade(condition=900000, outcome_index=1, collateral=2 * MILLION, role=0, timestamp=1_600_000_002, **row)
        file.trade(market_id="123456", collateral=MILLION, timestamp=1_600_000_003, **row)
        file.trade(slug="no-such-slug", collateral=MILLION, timestamp=1_600_000_004, **row)
        for _ in range(2):
            file.trade(hash=b"\xee" * 32, collateral=4 * MILLION, timestamp=1_600_000_005, **row)
        attribute(connection)
    database.close()
    return folder


def opened(folder: Path) -> Workspace:
    return polyledger.open(folder, settings=load_settings(folder, {}))


def gap(document: dict[str, Any], what: str, of: str) -> dict[str, Any] | None:
    return next((row for row in document["gaps"] if (row["missing"], row["of"]) == (what, of)), None)


def test_gaps_of_a_ledger_without_names(folder: Path) -> None:
    with opened(folder) as workspace:
        document = workspace.gaps().document
        whole = workspace.coverage().document
    assert document["schema"] == "polyledger.gaps/1"
    assert (document["trades"], document["volume"]) == (whole["trades"]["total"], whole["volume"]["total"])
    market = gap(document, "market", "condition")
    assert market is not None
    assert market["keys"] >= 31
    assert len(document["keys"]) == 20
    trades, volume = Decimal(document["trades"]), Decimal(document["volume"])
    weights = [key["trades"] / trades + Decimal(key["volume"]) / volume for key in document["keys"]]
    assert weights == sorted(weights, reverse=True)


def test_every_kind_of_gap_is_named_with_what_hangs_on_it(imported: Path) -> None:
    with opened(imported) as workspace:
        document = workspace.gaps(limit=100).document
        whole = workspace.coverage().document
    assert (document["trades"], document["volume"]) == (whole["trades"]["total"], whole["volume"]["total"])
    found = {
        (row["missing"], row["of"]): (row["keys"], row["trades"], row["volume"])
        for row in document["gaps"]
        if row["missing"] == "condition"
    }
    assert found == {
        ("condition", "token"): (1, 1, "3.000000"),
        ("condition", "transaction"): (1, 2, "8.000000"),
        ("condition", "market_id"): (1, 1, "1.000000"),
        ("condition", "slug"): (1, 1, "1.000000"),
    }
    market = gap(document, "market", "condition")
    assert market is not None
    assert (market["keys"], market["trades"]) == (32, 2002)  # a maker leg counts as a trade, not as volume
    keys = {(row["of"], row["key"]): row for row in document["keys"]}
    assert keys["token", "77"]["last_trade"] == "2020-09-13T12:26:40Z"
    assert keys["condition", "0x" + "cc" * 32]["volume"] == "2.000000"
    assert keys["transaction", "0x" + "ee" * 32]["trades"] == 2


@pytest.mark.parametrize("by", ["month", "source", "category"])
def test_groups_add_up_to_the_gaps(imported: Path, by: str) -> None:
    with opened(imported) as workspace:
        document = workspace.gaps(by).document
    for whole in document["gaps"]:
        what = (whole["missing"], whole["of"])
        parts = [row for group in document["by"] for row in group["gaps"] if (row["missing"], row["of"]) == what]
        assert sum(row["trades"] for row in parts) == whole["trades"], what
        assert sum(Decimal(row["volume"]) for row in parts) == Decimal(whole["volume"]), what
    expected = {"month": {"2020-09", "2024-01"}, "source": {"chain", "file:trades.csv"}, "category": {"Uncategorized"}}
    assert {group["key"] for group in document["by"]} == expected[by]


def test_keys_carry_who_was_asked_already_and_are_due_again_after_their_time(imported: Path) -> None:
    database = Database(imported / "ledger.duckdb", read_only=False, memory_limit=None, threads=None)
    day = 86_400
    asked_at = 1_700_000_000
    try:
        with database.transaction() as connection:
            for source, key, outcome in (("gamma", "77", "not_found"), ("clob", "77", "refused")):
                connection.execute(
                    "INSERT INTO meta.lookups VALUES (?, 'token', ?, ?, NULL, epoch_ms(1000 * CAST(? AS BIGINT)))",
                    [source, key, outcome, asked_at],
                )
        soon = measure(database, now=asked_at + day // 2).kinds[Kind.TOKEN]
        assert {source for source, barred in soon.barred.items() if barred.any()} == {"gamma", "clob"}
        later = measure(database, now=asked_at + 2 * day).kinds[Kind.TOKEN]
        assert set(later.barred) == {"clob"}  # an answer that cannot be used is not asked for again
        assert gaps(database, now=asked_at + 60)["keys"]
    finally:
        with database.transaction() as connection:
            connection.execute("DELETE FROM meta.lookups WHERE lookup_key = '77'")
        database.close()


def test_trades_on_chain_that_a_file_lacks_are_a_gap(folder: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.duckdb"
    ledger.write_bytes((folder / "ledger.duckdb").read_bytes())
    database = Database(ledger, read_only=False, memory_limit=None, threads=None)
    try:
        with database.transaction() as connection:
            connection.execute("DELETE FROM imported.trades")
            legs = connection.execute(
                "SELECT f.tx, f.log_index, f.token, f.wallet, f.side, f.shares, f.collateral, b.timestamp "
                "FROM chain.fills AS f JOIN chain.blocks AS b ON b.number = f.tx // 65536 ORDER BY f.tx, f.log_index"
            ).fetchall()
            file = Importer(connection, "theirs.csv")
            for tx, log_index, token, wallet, side, shares, collateral, timestamp in (legs[0], legs[-1]):
                trade = file.trade(
                    token=token,
                    wallet=wallet,
                    side=side,
                    shares=shares,
                    collateral=collateral,
                    timestamp=timestamp,
                    hash=tx.to_bytes(32, "big"),
                )
                file.match(trade, tx, log_index, token)
            attribute(connection)
        document = gaps(database)
        lacking = gap(document, "trade", "file")
        assert lacking is not None
        assert lacking["trades"] == len(legs) - 2
        assert document["trades"] == len(legs)  # the two rows are duplicates
    finally:
        database.close()


@pytest.mark.long
def test_the_commands_print_documents_and_text_that_fits(imported: Path) -> None:
    for arguments in (["gaps"], ["gaps", "--by", "source"], ["gaps", "--limit", "3"]):
        done = run("-w", imported, *arguments)
        assert done.returncode == 0, done.stderr
        assert max(map(len, done.stdout.splitlines())) <= 80, done.stdout
    assert json.loads(run("-w", imported, "gaps", "--limit", "3", "--json").stdout)["keys"][2]


def test_plan_prints_what_is_to_do_and_says_by_its_exit_code_whether_there_is_something(imported: Path) -> None:
    with replica_of(world_of()) as url:
        with workspace_at(imported, url) as workspace:
            document = workspace.plan(budget=3600).document
        more = {"POLYGON_RPC_URL": f"{url}/rpc", "POLYLEDGER_CHAIN__FROM_BLOCK": "52000000"}
        more |= {"POLYLEDGER_GAMMA__URL": f"{url}/gamma", "POLYLEDGER_CLOB__URL": f"{url}/clob"}
        text = run("-w", imported, "plan", "--budget", "1h", **more)
        pending = run("-w", imported, "plan", "--detailed-exitcode", "--json", **more)
        refused = run("-w", imported, "plan", "--budget", "soon", **more)
    assert document["schema"] == "polyledger.plan/1"
    assert document["fits_budget"] is True
    assert {"source", "action", "keys", "requests", "seconds", "expected"} <= document["stages"][0].keys()
    assert next(stage["keys"] for stage in document["stages"] if stage["action"] == "markets") == 32
    assert text.returncode == 0, text.stderr
    assert max(map(len, text.stdout.splitlines())) <= 80, text.stdout
    assert pending.returncode == 3
    assert json.loads(pending.stdout)["requests"] == document["requests"]
    assert refused.returncode == 2
