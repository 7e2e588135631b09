"""Imported trades in profit: wherever a fill comes from the figures are the same, and what is not known is bounded."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from polyledger.identity.reconcile import reconcile
from polyledger.store.attribution import attribute
from polyledger.store.database import Database
from polyledger.store.intervals import forget_sums, roll_back
from polyledger.sync.compaction import fold_holdings
from polyledger.value.coverage import coverage
from polyledger.value.wallets import wallet, wallets
from tests.imported_rows import Importer
from tests.worlds import replica_of, sync, world_of


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("imported")
    with replica_of(world_of()) as url:
        sync(path, url)
    return path / "ledger.duckdb"


@pytest.fixture
def database(synced: Path, tmp_path: Path) -> Iterator[Database]:
    shutil.copy(synced, tmp_path / "ledger.duckdb")
    opened = Database(tmp_path / "ledger.duckdb", read_only=False, memory_limit=None, threads=None)
    yield opened
    opened.close()


# The fills as a file would state them: amounts after fees in shares, and a fee in USDC beside.
_FILLS = """
SELECT CASE WHEN side = 1 THEN shares - leftover WHEN layout = 1 THEN shares - fee + fee_refund ELSE shares END,
       CASE WHEN side = 0 THEN f.collateral - leftover ELSE f.collateral END,
       CASE WHEN side = 0 AND layout = 1 THEN 0 ELSE fee - fee_refund END, f.wallet, f.side, f.role,
       f.token, t.condition, t.outcome_index, c.slug, c.outcomes[t.outcome_index + 1]
FROM chain.fills AS f JOIN dim.tokens AS t ON t.token = f.token
JOIN book.condition_facts AS c ON c.condition = t.condition
WHERE {where} ORDER BY f.tx, f.log_index
"""


def move_to_a_file(database: Database, ids: str, where: str = "true") -> int:
    """Takes fills out of the chain's tables and imports them, known by `ids`; returns how many."""
    rows = database.query(_FILLS.format(where=where))
    with database.transaction() as connection:
        connection.execute(f"DELETE FROM chain.fills AS f WHERE {where}")
        connection.execute("DELETE FROM meta.intervals")
        forget_sums(connection, 0)
        importer = Importer(connection)
        identities, trades = [], []
        for number, (shares, collateral, fee, account, side, role, token, condition, index, slug, label) in enumerate(
            rows
        ):
            named: dict[str, Any] = {
                "token": {"token": token, "outcome_index": 9 - index},
                "condition": {"condition": condition, "outcome_index": index},
                "slug": {"slug": slug, "outcome": label.upper()},
            }[ids]
            identities.append(importer.identity(**named))
            trades.append(
                (number, importer.file, number + 1, identities[-1], account, role, side, shares, collateral, fee)
            )
        connection.executemany(
            "INSERT INTO imported.trades "
            "(trade, file, row_number, identity, wallet, role, side, shares, collateral, fee) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            trades,
        )
        attribute(connection)
    return len(rows)


def figures(database: Database) -> Any:
    everyone = wallets(database)["wallets"]
    positions = database.query("SELECT * FROM positions ORDER BY ALL")
    return everyone, positions


@pytest.mark.parametrize(
    ("ids", "verdict"),
    [
        ("token", "proven"),
        *(pytest.param(*ids, marks=pytest.mark.long) for ids in (("condition", "claimed"), ("slug", "claimed"))),
    ],
)
def test_wherever_fills_come_from_the_figures_are_the_same(database: Database, ids: str, verdict: str) -> None:
    expected = figures(database)
    trades = coverage(database)["trades"]
    volume = coverage(database)["volume"]
    moved = move_to_a_file(database, ids, "f.log_index % 3 <> 0 AND f.role < 2")
    assert moved > 500
    assert figures(database) == expected
    if ids == "token":  # compaction is of the chain alone
        fold_holdings(database, 1 << 40, worth=1)
        assert figures(database) == expected
    assert (coverage(database)["trades"], coverage(database)["volume"]) == (trades, volume)
    by_source = {group["key"]: group["trades"]["total"] for group in coverage(database, "source")["by"]}
    assert by_source == {"chain": trades["total"] - moved, "file:trades.csv": moved}
    positions = [p for p in wallet(database, expected[0][0]["wallet"])["positions"] if "condition" in p]
    from_file = [p for p in positions if "file:trades.csv" in p.get("sources", [])]
    assert from_file
    assert {p["verdict"] for p in from_file} == {verdict}
    assert {p["verdict"] for p in positions if p not in from_file} <= {"proven"}
    rows = database.query("SELECT source, verdict, count(*) FROM trades GROUP BY ALL ORDER BY ALL")
    assert rows == [("chain", "proven", trades["total"] - moved), ("file:trades.csv", verdict, moved)]


def test_outcomes_without_a_known_token_hold_shares_of_their_own(database: Database) -> None:
    """Nothing of the condition is on chain: no token can be named, and the same outcome comes by two kinds of ids."""
    address = wallets(database)["wallets"][0]["wallet"]
    ((account, yes),) = database.query(
        "SELECT max(account), 1 + (SELECT max(condition) FROM dim.conditions) FROM dim.accounts "
        "WHERE '0x' || lower(hex(address)) = ?",
        [address],
    )
    before = wallet(database, address)
    row = {"wallet": account, "shares": 10_000_000}
    with database.transaction() as connection:
        connection.execute("DELETE FROM meta.intervals")
        connection.execute("INSERT INTO dim.conditions VALUES (?, ?)", [yes, b"\x77" * 32])
        connection.execute(
            "INSERT INTO claim.markets (source, condition, slug, outcomes, verdict, evidence_id, observed_at) "
            "VALUES ('gamma', ?, 'elsewhere', ['Up', 'Down'], 'claimed', 1, TIMESTAMP '2026-01-01')",
            [yes],
        )
        reconcile(connection)
        importer = Importer(connection, "mine.jsonl")
        importer.trade(condition=yes, outcome_index=0, side=0, collateral=4_000_000, **row)
        importer.trade(slug="elsewhere", outcome="up", side=1, collateral=5_000_000, **{**row, "shares": 7_000_000})
        importer.trade(slug="elsewhere", outcome="down", side=0, collateral=1_000_000, **row)
        attribute(connection)
    after = wallet(database, address)
    (position,) = [p for p in after["positions"] if p.get("condition") == f"0x{'77' * 32}"]
    assert position["sources"] == ["file:mine.jsonl"]
    assert (position["state"], position["verdict"], position["cash_flow"]) == ("open", "claimed", "0.000000")
    assert [(o["token"], o["outcome"], o["shares"]) for o in position["outcomes"]] == [
        (None, "Up", "3.000000"), (None, "Down", "10.000000"),
    ]  # fmt: skip
    assert (position["low"], position["high"]) == ("3.000000", "10.000000")
    assert after["traded_conditions"] == before["traded_conditions"] + 1
    assert after["realized_pnl"] == before["realized_pnl"]


def test_what_nobody_can_attribute_is_worth_something_between_nothing_and_all(database: Database) -> None:
    ((account,),) = database.query("SELECT max(account) FROM dim.accounts")
    with database.transaction() as connection:
        connection.execute("DELETE FROM meta.intervals")
        connection.execute("INSERT INTO dim.accounts VALUES (?, ?)", [account + 1, b"\x55" * 20])
        importer = Importer(connection)
        row = {"wallet": account + 1, "shares": 10_000_000, "collateral": 4_000_000}
        importer.trade(hash=b"\x01" * 32, side=0, **row)
        importer.trade(slug="nobody-knows", side=0, **row)
        importer.trade(slug="nobody-knows", side=0, **{**row, "shares": None})  # no amount: nothing to count
        importer.trade(slug="nobody-knows", **row)  # no side
        attribute(connection)
    document = wallet(database, f"0x{'55' * 20}")
    assert (document["low"], document["high"]) == ("-8.000000", "12.000000")
    assert document["realized_pnl"] == "0.000000"
    assert document["volume"] == "8.000000"
    assert document["coverage"] == {"conditions": 0.0, "volume": 0.0}
    states = database.query(
        "SELECT state, reason, count(*) FROM trades WHERE source <> 'chain' GROUP BY ALL ORDER BY ALL"
    )
    assert states == [("pending", "condition not known yet", 3), ("pending", "known only by transaction", 1)]


def test_where_everything_was_scanned_only_the_chain_counts(database: Database) -> None:
    expected = figures(database)
    (known,) = database.query(
        "SELECT f.wallet, f.side, f.token, f.shares, f.collateral, x.hash, f.tx, f.log_index FROM chain.fills AS f "
        "JOIN chain.transactions AS x ON x.tx = f.tx LIMIT 1"
    )
    account, side, token, shares, collateral, hash_, tx, log_index = known
    row = {"wallet": account, "side": side, "token": token, "shares": shares, "collateral": collateral}
    with database.transaction() as connection:
        importer = Importer(connection)
        duplicate = importer.trade(hash=bytes(hash_), **row)
        importer.match(duplicate, tx, log_index, token)
        importer.trade(hash=bytes(hash_), **{**row, "shares": shares + 1})  # no fill of that transaction
        attribute(connection)
    assert figures(database) == expected
    document = coverage(database)
    assert (document["trades"]["duplicates"], document["unconfirmed"]["trades"]) == (1, 1)
    assert database.query("SELECT unconfirmed, state FROM trades WHERE source <> 'chain'") == [(True, "attributed")]
    # Taking those blocks back leaves rows that count on their own, until other blocks take their place.
    with database.transaction() as connection:
        roll_back(connection, (tx >> 16) - 1, b"\x11" * 32)
        attribute(connection)
    assert coverage(database)["trades"]["duplicates"] == 0
    assert coverage(database)["unconfirmed"]["trades"] == 0
