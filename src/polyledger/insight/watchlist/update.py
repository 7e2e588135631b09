"""Bringing the watchlist up to date with the ledger: what it needs to know, and its lines written down."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from polyledger.config import TradingSettings
from polyledger.insight.signals.day_ranks import PACKAGE as SIGNALS
from polyledger.insight.signals.rules import Rules
from polyledger.insight.signals.stored import has_tables
from polyledger.insight.trading.brokers import brokers_for, is_stopped
from polyledger.insight.trading.orders import Key
from polyledger.insight.watchlist.engine import Engine
from polyledger.insight.watchlist.entries import Entry, Signal
from polyledger.insight.watchlist.journal import Journal, State, read
from polyledger.insight.watchlist.strategies import Strategies
from polyledger.store.database import Database, plain_errors
from polyledger.store.sql import script

PACKAGE: Final = "polyledger.insight.watchlist"
Document = dict[str, Any]


def update(
    database: Database, workspace: Path, rules: Rules, strategies: Strategies, *, trading: TradingSettings, now: int
) -> int:
    """Take up what is new in the ledger, and append what follows to the log; how many changes.

    Args:
        database: the ledger, held by this process.
        workspace: the folder of the log.
        rules, strategies: of the workspace.
        trading: who may trade live.
        now: the clock, seconds since 1970.

    Raises:
        ConfigurationError: a strategy would trade live where that is off.
        WorkspaceError: the log is damaged.
    """
    state = read(workspace)
    journal = Journal(workspace)
    if not has_tables(database):
        return 0
    with plain_errors(database.path), closing(database.cursor()) as cursor:
        signals = list(_signals(cursor, rules, strategies))
        cursor.execute(script(SIGNALS, "markets")).fetchall()
        ((head,),) = cursor.execute("SELECT coalesce(max(timestamp), 0) FROM chain.blocks").fetchall()
        ends = {condition: end for condition, end in _ends(cursor, state, signals) if end[0] <= head}
        facts = _facts(cursor, state)
        withdrawn = _withdrawn(cursor, state)
    engine = Engine(
        strategies=strategies,
        state=state,
        brokers=brokers_for(strategies, trading, database, int(head), ends),
        ends=ends,
        head=int(head),
        now=now,
        stopped=is_stopped(workspace),
    )
    # A live order is on its way when its line is made: each line is on disk before the next order can be.
    return sum(journal.append([line]) for line in engine.run(signals, facts, withdrawn))


def _signals(cursor: duckdb.DuckDBPyConnection, rules: Rules, strategies: Strategies) -> Iterable[Signal]:
    used = strategies.rules_used()
    chosen = [rule for rule in rules.rules if rule.name in used]
    _register(
        cursor, "chosen_rules", {"rule": [r.name for r in chosen], "definition": [r.definition() for r in chosen]}
    )
    for row in cursor.sql(script(PACKAGE, "taken_signals")).to_arrow_table().to_pylist():
        why = json.loads(row["why"])
        yield Signal(
            rule=row["rule"],
            time=row["block_time"],
            tx=row["tx"],
            log_index=row["log_index"],
            side="SELL" if row["side"] else "BUY",
            price=row["size"] * 1_000_000 // row["shares"],
            token=why["market"]["token"],
            condition=why["market"]["condition"],
            wallet=why["wallet"]["wallet"],
            coverage=why["wallet"]["coverage"],
            rank=why["wallet"]["rank"],
            transaction=row["transaction_hash"],
            market=why["market"],
        )


def _ends(cursor: duckdb.DuckDBPyConnection, state: State, signals: Iterable[Signal]) -> Iterable[tuple[str, Key]]:
    conditions = {signal.condition for signal in signals} | {entry.condition for entry in state.entries.values()}
    _watch(cursor, [(condition, None) for condition in sorted(conditions)])
    for condition, time, tx, log_index in cursor.execute(script(PACKAGE, "ends")).fetchall():
        yield condition, (time, tx, log_index)


def _facts(cursor: duckdb.DuckDBPyConnection, state: State) -> dict[str, Mapping[str, Any]]:
    """Entry id → what is known of its market."""
    entries: Iterable[Entry] = state.entries.values()
    _watch(cursor, sorted({(entry.condition, entry.token) for entry in entries}))
    rows = cursor.sql(script(PACKAGE, "facts")).to_arrow_table().to_pylist()
    known = {
        (row.pop("condition_id"), row.pop("token_id")): row
        for row in rows
    }  # fmt: skip
    return {entry.id: known.get((entry.condition, entry.token), {}) for entry in entries}


def _withdrawn(cursor: duckdb.DuckDBPyConnection, state: State) -> dict[str, set[str]]:
    """Entry id → signals it was given that stand no longer."""
    standing = {
        f"{rule}:{tx}:{log_index}"
        for rule, tx, log_index in cursor.execute(
            "SELECT DISTINCT rule, tx, log_index FROM insight.signals WHERE state = 'fired'"
        ).fetchall()
    }
    return {id: gone for id, keys in state.wallets.items() if (gone := keys.keys() - standing)}  # noqa: A001


def _watch(cursor: duckdb.DuckDBPyConnection, pairs: list[tuple[str, str | None]]) -> None:
    _register(
        cursor,
        "watched_conditions",
        {
            "condition_id": pa.array([condition for condition, _ in pairs], pa.string()),
            "token_id": pa.array([token for _, token in pairs], pa.string()),
            "id": pa.array([bytes.fromhex(condition[2:]) for condition, _ in pairs], pa.binary()),
        },
    )


def _register(cursor: duckdb.DuckDBPyConnection, name: str, columns: Mapping[str, Any]) -> None:
    cursor.register(name, pa.table(dict(columns)))
