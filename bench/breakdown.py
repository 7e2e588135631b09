"""The breakdown of all wallets, and of a period, over synthetic fills; beside polars for the plain P&L part."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from bench.data import scratch_folder
from bench.figures import Figure, Outcome, isolated, progress, timed_with_processor
from bench.profit import MEMORY_LIMIT, export_columns, polars_profit
from bench.synthetic import build, connect
from polyledger.domain.categories import default_categories
from polyledger.domain.periods import Period
from polyledger.insight.ranking import ranked_wallets
from polyledger.store.database import Database
from polyledger.store.moments import in_period
from polyledger.value.categories import categories
from polyledger.value.series import wallet_series
from polyledger.value.wallets import account_of, wallet

_SHOWN = 20


def measure(rows: int) -> list[Figure]:
    """Rankings by profit and by skill, now and as of the middle of the ledger, and one wallet by week."""
    with scratch_folder("breakdown") as folder:
        return _measure(rows, folder)


def _measure(rows: int, folder: Path) -> list[Figure]:
    ledger, columns = folder / "ledger.duckdb", folder / "columns"
    isolated(build, ledger, rows, MEMORY_LIMIT)
    isolated(add_blocks, ledger, rows)
    isolated(export_columns, ledger, columns)
    progress("plain P&L by polars")
    plain = isolated(polars_profit, columns)
    shutil.rmtree(columns)
    middle = 60_000_000 + rows // 120
    asked: dict[str, tuple[Any, ...]] = {
        "breakdown and skill of {wallets} wallets": (ranking, ledger, "profit_per_dollar", None),
        "ranking of {wallets} wallets": (ranking, ledger, "realized_pnl", None),
        "ranking of {wallets} wallets as of the middle": (ranking, ledger, "realized_pnl", middle),
        "the busiest wallet by week": (series, ledger),
        "categories": (by_category, ledger),
    }
    figures = []
    for label, (function, *arguments) in asked.items():
        progress(f"{label.format(wallets='all')}, {rows:,} fills")
        figures.append(_beside(label, rows, isolated(function, *arguments), plain))
    return figures


def _beside(label: str, rows: int, own: Outcome, plain: Outcome) -> Figure:
    """Beside the plain P&L of polars, which is only a part of what was asked."""
    name = label.format(wallets=f"{own.value['wallets']:,}") + f", {rows / 1e6:,.1f} M fills"
    note = f"processor {own.value['processor']:.1f} against {plain.value['processor']:.1f} s; "
    note += f"{own.peak} against {plain.peak}"
    return Figure(name, own.value["seconds"], "s", "polars, plain P&L", plain.value["seconds"], note=note)


def add_blocks(path: Path, rows: int) -> None:
    """Headers, two seconds apart, for the blocks of the fills, of preparations and of resolutions."""
    connection = connect(path, MEMORY_LIMIT, read_only=False)
    connection.execute(
        f"""INSERT INTO chain.blocks
        SELECT number, unhex('00'), NULL, 1600000000 + (number - 50000000) * 2
        FROM (SELECT 60000000 + i AS number FROM range({rows // 60 + 1}) AS t(i)
              UNION ALL SELECT unnest([50000000, 50000001, 90000000, 90000001]))
        ORDER BY number"""
    )
    connection.execute("CHECKPOINT")
    connection.close()


def ranking(path: Path, order_by: str, block: int | None) -> dict[str, Any]:
    """The first wallets of all: every figure of all of them is worked out."""
    database = _opened(path)
    with in_period(database, Period(block=block)) as ledger:
        shown, seconds, processor = timed_with_processor(
            lambda: ranked_wallets(ledger, order_by=order_by, limit=_SHOWN)["wallets"]
        )
        assert len(shown) == _SHOWN
        ((wallets,),) = ledger.query("SELECT count(DISTINCT wallet) FROM chain.fills")
    database.close()
    return {"seconds": seconds, "processor": processor, "wallets": wallets}


def series(path: Path) -> dict[str, Any]:
    """The wallet with most fills, from its first week to its last."""
    database = _opened(path)
    ((address,),) = database.query(
        "SELECT '0x' || lower(hex(a.address)) FROM chain.fills AS f JOIN dim.accounts AS a ON a.account = f.wallet "
        "GROUP BY a.address ORDER BY count(*) DESC LIMIT 1"
    )

    def run() -> int:
        document = wallet(database, address)
        account, _ = account_of(database, address)
        return len(wallet_series(database, account, document, "week"))

    _, seconds, processor = timed_with_processor(run)
    database.close()
    return {"seconds": seconds, "processor": processor, "wallets": 1}


def by_category(path: Path) -> dict[str, Any]:
    """What every category holds."""
    database = _opened(path)
    _, seconds, processor = timed_with_processor(lambda: categories(database, default_categories()))
    database.close()
    return {"seconds": seconds, "processor": processor, "wallets": 0}


def _opened(path: Path) -> Database:
    return Database(path, read_only=True, memory_limit=MEMORY_LIMIT, threads=None)
