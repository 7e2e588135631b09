"""Signals in the ledger: written once, found again by whoever asks."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa

from polyledger.domain.amounts import amount_text
from polyledger.domain.scope import moment_text
from polyledger.insight.signals.reasons import price_text
from polyledger.insight.signals.rules import Rule, Rules, overlaps
from polyledger.store.database import Database
from polyledger.store.sql import script

PACKAGE: Final = "polyledger.insight.signals"
Document = dict[str, Any]
_SCHEMA: Final = pa.schema(
    [
        ("rule", pa.string()), ("definition", pa.string()), ("tx", pa.int64()), ("log_index", pa.int32()),
        ("account", pa.int32()), ("token", pa.int32()), ("condition", pa.int32()), ("side", pa.uint8()),
        ("shares", pa.int64()), ("size", pa.int64()), ("block_time", pa.int64()), ("state", pa.string()),
        ("why", pa.string()),
    ]
)  # fmt: skip


def has_tables(database: Database) -> bool:
    """Whether a rule was ever evaluated here."""
    ((found,),) = database.query(
        "SELECT count(*) FROM information_schema.tables "
        "WHERE table_schema = 'insight' AND table_name = 'evaluated_blocks'"
    )
    return bool(found)


def ensure_tables(database: Database) -> None:
    """Make the tables of signals where the ledger has none yet."""
    if not has_tables(database):
        with database.transaction() as connection:
            connection.execute(script(PACKAGE, "tables"))


def store(
    database: Database,
    rules: Sequence[Rule],
    found: Sequence[Document],
    waiting: pa.Table,
    *,
    found_by: str,
    run_id: str,
    now: dt.datetime,
) -> dict[str, int]:
    """Write what was found, each signal once: how many "fired" and were "voided" now, and how many are "awaiting".

    Signals whose fill is gone are voided. What waited for its market is settled: it has fired, or was no signal, unless
    it stands in `waiting` (rule, tx, log_index) and waits on.
    """
    rows = pa.Table.from_pylist(list(found), schema=_SCHEMA)
    with database.transaction() as connection:
        connection.register("found_signals", rows)
        connection.register("waiting_signals", waiting)
        before = _counts(connection)
        for rule in rules:
            about = {"rule": rule.name, "definition": rule.definition()}
            connection.execute(script(PACKAGE, "no_longer_awaiting"), about)
        ((voided,),) = connection.execute(script(PACKAGE, "void_orphans")).fetchall()
        connection.execute(
            script(PACKAGE, "add_signals"),
            {"found_by": found_by, "run_id": run_id, "now": now.replace(tzinfo=None, microsecond=0)},
        )
        after = _counts(connection)
        connection.unregister("found_signals")
        connection.unregister("waiting_signals")
    return {
        "fired": after["fired"] - before["fired"] + int(voided),
        "awaiting": after["awaiting"],
        "voided": int(voided),
    }


def _counts(connection: Any) -> dict[str, int]:
    found = dict(connection.execute("SELECT state, count(*) FROM insight.signals GROUP BY state").fetchall())
    return {state: int(found.get(state, 0)) for state in ("fired", "awaiting")}


def signals(database: Database, rules: Rules, *, rule: str | None = None, limit: int | None = None) -> Document:
    """The polyledger.signals/1 document: what the rules in force have found, newest first."""
    chosen = [entry for entry in rules.rules if rule is None or entry.name == rule]
    rows: list[Document] = []
    counts: dict[tuple[str, str], int] = {}
    if has_tables(database):
        wanted = pa.table({"rule": [r.name for r in chosen], "definition": [r.definition() for r in chosen]})
        with database.reading() as connection:
            connection.register("chosen_rules", wanted)
            table = connection.sql(
                script(PACKAGE, "read_signals") + ("" if limit is None else f" LIMIT {int(limit)}")
            ).to_arrow_table()
            rows = table.to_pylist()
            counts = {
                (name, state): int(number)
                for name, state, number in connection.execute(
                    "SELECT s.rule, s.state, count(*) FROM insight.signals AS s JOIN chosen_rules AS c "
                    "ON c.rule = s.rule AND c.definition = s.definition GROUP BY s.rule, s.state"
                ).fetchall()
            }
    return {
        "schema": "polyledger.signals/1",
        "rules": [
            {"rule": r.name, "definition": r.definition(), "fired": counts.get((r.name, "fired"), 0),
             "awaiting": counts.get((r.name, "awaiting"), 0), "voided": counts.get((r.name, "voided"), 0)}
            for r in chosen
        ],
        "overlaps": overlaps(rules.rules),
        "signals": [_signal(row) for row in rows],
    }  # fmt: skip


def _signal(row: Document) -> Document:
    why = json.loads(row["why"])
    return {
        "rule": row["rule"],
        "state": row["state"],
        "found_by": row["found_by"],
        "time": moment_text(row["block_time"]),
        "transaction": row["transaction_hash"],
        "block": row["tx"] >> 16,
        "log_index": row["log_index"],
        "side": "SELL" if row["side"] else "BUY",
        "shares": amount_text(row["shares"]),
        "size": amount_text(row["size"]),
        "price": price_text(row["size"], row["shares"]),
        **why["wallet"],
        **why["market"],
        "missing": why["missing"],
        "as_of": why["as_of"],
        "why": why["criteria"],
    }
