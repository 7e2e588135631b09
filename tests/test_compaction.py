"""The compacted sums and the tail behind them: wherever the border lies, every figure is the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import pytest

from polyledger.store import intervals
from polyledger.store.database import Database
from polyledger.store.holdings import holdings_upto, set_holdings_upto
from polyledger.sync.compaction import fold_holdings
from polyledger.value.coverage import coverage
from polyledger.value.wallets import wallet, wallets


@pytest.fixture
def database(ledger: Path) -> Iterator[Database]:
    opened = Database(ledger / "ledger.duckdb", read_only=False, memory_limit=None, threads=None)
    with opened.transaction() as connection:
        intervals.forget_sums(connection, 0)
    yield opened
    opened.close()


EVERYTHING = "SELECT * FROM book.wallet_categories ORDER BY ALL"


class PowerCutError(Exception):
    """What ends a transaction in these tests."""


@contextmanager
def taken_back(database: Database) -> Iterator[duckdb.DuckDBPyConnection]:
    """A transaction that fails in the end."""
    with suppress(PowerCutError), database.transaction() as connection:
        yield connection
        raise PowerCutError


def figures(database: Database) -> list[Any]:
    everyone = wallets(database)
    single = [wallet(database, entry["wallet"]) for entry in everyone["wallets"][::40]]
    positions = database.query("SELECT * FROM positions ORDER BY ALL")
    return [everyone, coverage(database), single, positions]


def blocks_of_fills(database: Database) -> list[int]:
    return [row[0] for row in database.query("SELECT DISTINCT tx >> 16 AS block FROM chain.fills ORDER BY block")]


def test_wherever_the_border_lies_the_figures_stay(database: Database) -> None:
    from_events = figures(database)
    blocks = blocks_of_fills(database)
    for border in (blocks[0], blocks[len(blocks) // 2], blocks[-1] + 1_000_000):
        assert fold_holdings(database, border, worth=1) > 0
        assert figures(database) == from_events
    ((left,),) = database.query("SELECT count(*) FROM book.tail_events")
    assert left == 0


def test_a_reorg_below_the_border_counts_from_the_events_that_remain(database: Database) -> None:
    blocks = blocks_of_fills(database)
    ancestor = blocks[len(blocks) // 2]
    with taken_back(database) as connection:
        intervals.roll_back(connection, ancestor, b"\x11" * 32)
        expected = connection.execute(EVERYTHING).fetchall()
    fold_holdings(database, blocks[-1], worth=1)
    with taken_back(database) as connection:
        intervals.roll_back(connection, ancestor, b"\x11" * 32)
        assert holdings_upto(connection) == -1
        assert connection.execute(EVERYTHING).fetchall() == expected


def test_a_transaction_that_fails_leaves_the_border_where_it_was(database: Database) -> None:
    before = database.query(EVERYTHING)
    with taken_back(database) as connection:
        set_holdings_upto(connection, 1 << 60)
        assert connection.execute("SELECT * FROM book.tail_events").fetchall() == []
    assert database.query(EVERYTHING) == before


def test_the_border_outlives_the_process(ledger: Path, database: Database) -> None:
    before = figures(database)
    fold_holdings(database, blocks_of_fills(database)[-1], worth=1)
    database.close()
    reopened = Database(ledger / "ledger.duckdb", read_only=True, memory_limit=None, threads=None)
    assert figures(reopened) == before
    reopened.close()
