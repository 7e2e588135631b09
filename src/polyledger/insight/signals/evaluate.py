"""Rules on fills: which fire, and why, as of the day of each fill; found signals are stored once."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import pyarrow as pa

from polyledger.domain.amounts import MICRO
from polyledger.domain.categories import UNCATEGORIZED, CategoryTable
from polyledger.domain.ids import address_bytes
from polyledger.domain.intervals import Interval
from polyledger.insight.signals.day_ranks import PACKAGE, DayRanks, Ranking, keep_ranks
from polyledger.insight.signals.reasons import reason
from polyledger.insight.signals.rules import Rule, Rules
from polyledger.insight.signals.seen import note_seen, unseen
from polyledger.insight.signals.standings import standings
from polyledger.insight.signals.stored import ensure_tables, store
from polyledger.store.database import Database, plain_errors
from polyledger.store.sql import script

_CANDIDATES: Final = """
CREATE OR REPLACE TEMP TABLE signal_candidates (
    rule INTEGER, tx BIGINT, log_index INTEGER, account INTEGER, token INTEGER, condition INTEGER,
    outcome_index INTEGER, side UTINYINT, shares BIGINT, size BIGINT, collateral BIGINT, block_time BIGINT, day BIGINT,
    awaits VARCHAR[])
"""
_SIZE: Final = "(CASE WHEN f.side = 0 THEN f.collateral - f.leftover ELSE f.collateral END)"
_LAST_BLOCK: Final = 1 << 46

Progress = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Window:
    """Which fills: those of some blocks, with block times since … until (seconds since 1970, UTC)."""

    blocks: tuple[Interval, ...] = (Interval(0, _LAST_BLOCK),)
    since: int = 0
    until: int = 1 << 40


def known_categories(database: Database, table: CategoryTable) -> set[str]:
    """Every category that a market of this ledger has or that the table can give."""
    rows = database.query(
        "SELECT DISTINCT category FROM book.event_names UNION SELECT DISTINCT market_category FROM book.market_names "
        "WHERE market_category IS NOT NULL AND market_category <> ''"
    )
    return {str(row[0]) for row in rows} | set(table.categories) | {UNCATEGORIZED}


def replay(
    database: Database,
    rules: Rules,
    window: Window,
    *,
    categories: CategoryTable,
    run_id: str,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Evaluate rules over history: every fill of the window, as of its own day.

    Returns:
        {"fired", "awaiting", "voided"}: how many fired and were voided now, and how many wait for their market.

    Raises:
        ConfigurationError: a rule names a category that does not exist.
    """
    rules.check_categories(known_categories(database, categories))
    windows = [window] * len(rules.rules)
    return _evaluate(database, rules.rules, windows, head=None, run_id=run_id, found_by="replay", progress=progress)


def evaluate_new(
    database: Database, rules: Rules, *, categories: CategoryTable, run_id: str, found_by: str = "sync"
) -> dict[str, int]:
    """Evaluate rules on the fills of blocks that they have not seen, see `seen.begin`.

    Args:
        database: the ledger, held.
        rules: all of the workspace.
        categories: the table in force.
        run_id: who found the signals.
        found_by: the command.

    Returns, raises: as `replay`.
    """
    rules.check_categories(known_categories(database, categories))
    ensure_tables(database)
    definitions = [rule.definition() for rule in rules.rules]
    blocks = unseen(database, definitions)
    windows = [Window(blocks=tuple(blocks[definition])) for definition in definitions]
    ((head,),) = database.query("SELECT coalesce(max(timestamp), 0) FROM chain.blocks")
    found = _evaluate(database, rules.rules, windows, head=int(head), run_id=run_id, found_by=found_by, progress=None)
    note_seen(database, definitions)
    return found


def _evaluate(
    database: Database,
    rules: Sequence[Rule],
    windows: Sequence[Window],
    *,
    head: int | None,
    run_id: str,
    found_by: str,
    progress: Progress | None,
) -> dict[str, int]:
    ensure_tables(database)
    tell = progress or (lambda _event: None)
    with plain_errors(database.path), closing(database.cursor()) as cursor:
        cursor.execute(script(PACKAGE, "markets")).fetchall()
        cursor.execute(_CANDIDATES)
        cursor.execute("CREATE OR REPLACE TEMP TABLE signal_waiting (rule VARCHAR, tx BIGINT, log_index INTEGER)")
        for index, (rule, window) in enumerate(zip(rules, windows, strict=True)):
            tell({"stage": "signals", "done": index, "total": len(rules), "unit": "rules", "message": rule.name})
            _gather(cursor, index, rule, window, head)
        known, fresh = _standings(cursor, rules)
        found = [row for index, rule in enumerate(rules) for row in _fired(cursor, index, rule, known)]
        waiting = cursor.sql("SELECT * FROM signal_waiting").to_arrow_table()
    keep_ranks(database, fresh)
    now = dt.datetime.now(dt.UTC)
    return store(database, rules, found, waiting, found_by=found_by, run_id=run_id, now=now)


def _gather(cursor: duckdb.DuckDBPyConnection, index: int, rule: Rule, window: Window, head: int | None) -> None:
    """Put what can fire the rule into signal_candidates: new fills, and those that waited for their market."""
    _wallets(cursor, rule)
    clauses, parameters = _clauses(rule, head)
    parameters |= {
        "rule": index,
        "asks_category": rule.categories is not None or (rule.skill is not None and rule.skill.over == "category"),
        "asks_tags": rule.tags is not None or rule.exclude_tags is not None,
    }
    text = script(PACKAGE, "candidates") + clauses
    for blocks in window.blocks:
        cursor.execute(
            f"{text} AND f.tx BETWEEN $first AND $last AND b.timestamp BETWEEN $since AND $until",
            {
                **parameters, "since": window.since, "until": window.until,
                "first": blocks.first << 16, "last": ((blocks.last + 1) << 16) - 1,
            },
        ).fetchall()  # fmt: skip
    cursor.execute(
        "CREATE OR REPLACE TEMP TABLE signal_awaiting AS SELECT tx, log_index FROM insight.signals "
        "WHERE definition = ? AND rule = ? AND state = 'awaiting' "
        "AND (tx, log_index) NOT IN (SELECT (tx, log_index) FROM signal_candidates WHERE rule = ?)",
        [rule.definition(), rule.name, index],
    ).fetchall()
    ((waiting,),) = cursor.execute("SELECT count(*) FROM signal_awaiting").fetchall()
    if waiting:
        cursor.execute(
            f"{text} AND f.tx IN (SELECT tx FROM signal_awaiting) "
            "AND (f.tx, f.log_index) IN (SELECT (tx, log_index) FROM signal_awaiting)",
            parameters,
        ).fetchall()
        cursor.execute(script(PACKAGE, "still_awaiting"), {"rule": index, "name": rule.name}).fetchall()
        cursor.execute(
            "DELETE FROM signal_candidates WHERE rule = $rule "
            "AND (tx, log_index) IN (SELECT (tx, log_index) FROM signal_waiting WHERE rule = $name)",
            {"rule": index, "name": rule.name},
        ).fetchall()
    if rule.first_entry:
        cursor.execute(script(PACKAGE, "only_first_entries"), {"rule": index}).fetchall()


def _wallets(cursor: duckdb.DuckDBPyConnection, rule: Rule) -> None:
    addresses = pa.table({"address": pa.array([address_bytes(w) for w in rule.wallets or ()], pa.binary())})
    cursor.register("rule_addresses", addresses)
    cursor.execute(
        "CREATE OR REPLACE TEMP TABLE signal_wallets AS SELECT DISTINCT a.account FROM dim.accounts AS a "
        "JOIN rule_addresses AS r ON r.address = a.address"
    ).fetchall()
    cursor.unregister("rule_addresses")


def _clauses(rule: Rule, head: int | None) -> tuple[str, dict[str, Any]]:
    """What a rule asks of a fill and its market, as SQL; what is not known of a market does not decide against it."""
    texts: list[str] = []
    parameters: dict[str, Any] = {}

    def ask(text: str, **values: Any) -> None:
        texts.append(f" AND {text}")
        parameters.update(values)

    if rule.wallets is not None:
        ask("f.wallet IN (SELECT account FROM signal_wallets)")
    if rule.side is not None:
        ask("f.side = $side", side=int(rule.side == "SELL"))
    if rule.min_size is not None:
        ask(f"{_SIZE} >= $min_size", min_size=rule.min_size)
    if rule.max_size is not None:
        ask(f"{_SIZE} <= $max_size", max_size=rule.max_size)
    if rule.price is not None:
        ask(
            f"CAST(f.collateral AS HUGEINT) * {MICRO} BETWEEN CAST(f.shares AS HUGEINT) * $low "
            "AND CAST(f.shares AS HUGEINT) * $high",
            low=rule.price[0],
            high=rule.price[1],
        )
    if rule.categories is not None:
        ask("coalesce(m.category IN (SELECT unnest($categories)), true)", categories=list(rule.categories))
    if rule.tags is not None:
        ask("coalesce(list_has_any(m.tags, $tags), true)", tags=list(rule.tags))
    if rule.exclude_tags is not None:
        ask("coalesce(NOT list_has_any(m.tags, $exclude), true)", exclude=list(rule.exclude_tags))
    if rule.max_age is not None and head is not None:
        ask("b.timestamp >= $oldest", oldest=head - rule.max_age)
    return "".join(texts), parameters


def _standings(cursor: duckdb.DuckDBPyConnection, rules: Sequence[Rule]) -> tuple[list[Ranking], dict[int, DayRanks]]:
    """Make the table signal_standings for the days and wallets of the candidates; the rankings it holds, and what of it
    is worth keeping."""
    rankings = list(dict.fromkeys([Ranking(), *(Ranking.of(rule) for rule in rules)]))
    wanted: dict[int, list[int]] = defaultdict(list)
    for day, account in cursor.execute("SELECT DISTINCT day, account FROM signal_candidates").fetchall():
        wanted[day].append(account)
    table, fresh = standings(cursor, wanted, rankings)
    cursor.register("found_standings", table)
    cursor.execute("CREATE OR REPLACE TEMP TABLE signal_standings AS SELECT * FROM found_standings").fetchall()
    cursor.unregister("found_standings")
    return rankings, fresh


def _fired(
    cursor: duckdb.DuckDBPyConnection, index: int, rule: Rule, rankings: Sequence[Ranking]
) -> list[dict[str, Any]]:
    """The rows of insight.signals that the rule's candidates become."""
    ranking = Ranking.of(rule)
    clauses, parameters = "", {"rule": index, "ranking": rankings.index(ranking)}
    if rule.min_coverage is not None:
        clauses += " AND t.resolved >= $min_coverage * t.traded AND t.traded > 0"
        parameters["min_coverage"] = rule.min_coverage  # type: ignore[assignment]
    if rule.skill is not None:
        # Where the category is what is awaited, skill in it cannot be asked for yet.
        clauses += " AND (s.markets >= $min_resolved AND s.figure "
        clauses += f"{'<=' if rule.skill.measure == 'brier' else '>='} $bound AND isfinite(s.figure)"
        clauses += " OR list_contains(c.awaits, 'category'))" if rule.skill.over == "category" else ")"
        parameters |= {"min_resolved": rule.skill.min_resolved, "bound": rule.skill.bound}  # type: ignore[dict-item]
    rows: list[Mapping[str, Any]] = (
        cursor.sql(
            script(PACKAGE, "judged").replace("-- criteria of the rule", clauses)
            .replace("$same_category", "c.category" if ranking.over == "category" else "NULL"),
            params=parameters,
        ).to_arrow_table().to_pylist()
    )  # fmt: skip
    return [
        {
            "rule": rule.name, "definition": rule.definition(), "state": "awaiting" if row["awaits"] else "fired",
            "why": reason(rule, ranking, row), **{name: row[name] for name in _STORED},
        }
        for row in rows
    ]  # fmt: skip


_STORED: Final = ("tx", "log_index", "account", "token", "condition", "side", "shares", "size", "block_time")
