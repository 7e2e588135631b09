"""Proving the ledger: every rule that must hold, checked over everything that is stored, with the places it breaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import resources
from itertools import pairwise
from typing import Any, Final

import duckdb

from polyledger.store import scopes
from polyledger.store.database import Database, plain_errors
from polyledger.store.sql import script

_EXAMPLES: Final = 10
# Transactions per window, and tokens per bucket, of the checks that look at every movement: about a million rows each.
_WINDOW: Final = 500_000
_TRANSFERS_PER_BUCKET: Final = 4_000_000


@dataclass(frozen=True, slots=True)
class Rule:
    """One check: its name, what it counts, and how it is run (whole, in windows of tx, or in buckets of tokens).

    `needs` is what it cannot do without: ``everybody`` (all wallets), ``history`` (all blocks from the first one on).
    """

    name: str
    counted: str
    how: str = "whole"
    needs: tuple[str, ...] = ()


RULES: Final = (
    Rule("intervals_whole", "meta.intervals"),
    Rule("headers_once", "chain.blocks"),
    Rule("logs_once", "chain.transactions", "windows"),
    Rule("layouts_known", "chain.transactions"),
    Rule("transactions_balance", "chain.transactions", "windows"),
    Rule("matches_agree", "chain.matches", "windows"),
    Rule("operators_fill", "chain.fills", "windows"),
    Rule("refunds_belong", "chain.fee_refunds"),
    Rule("prices_are_shares_of_one", "chain.fills"),
    Rule("conditions_prepared", "chain.preparations", needs=("history",)),
    Rule("neg_risk_agrees", "chain.neg_risk_questions"),
    Rule("registrations_paired", "chain.registrations", needs=("history",)),
    Rule("tokens_proven", "dim.tokens", needs=("history",)),
    Rule("redemptions_pay", "chain.redemptions", needs=("history",)),
    Rule("redemptions_take_all", "chain.redemptions", needs=("history",)),
    Rule("pools_cover_shares", "chain.preparations", needs=("everybody", "history")),
    Rule("balances_never_negative", "chain.share_transfers", "buckets", needs=("history",)),
    Rule("share_balances", "book.holdings", needs=("history",)),
    Rule("cash_balances", "chain.collateral_transfers", needs=("history",)),
)


@dataclass
class Finding:
    """The result of one check; `examples` are (subject, detail), at most ten."""

    name: str
    status: str = "ok"
    reason: str | None = None
    checked: int = 0
    failed: int = 0
    examples: list[dict[str, str]] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """The check as it stands in polyledger.verify/1."""
        return {
            "name": self.name,
            "status": self.status,
            "reason": self.reason,
            "checked": self.checked,
            "failed": self.failed,
            "examples": self.examples,
        }


def verify(database: Database, progress: Callable[[dict[str, Any]], None] = lambda _event: None) -> dict[str, Any]:
    """Run every check; returns the polyledger.verify/1 document.

    A check without anything to check is not applicable, never ok. Nothing is changed.
    """
    findings: list[Finding] = []
    lacking = _lacking(database)
    earlier = _of_earlier_markets(database) if "history" in lacking else frozenset()
    for position, rule in enumerate(RULES):
        progress({"stage": "verify", "done": position, "total": len(RULES), "unit": "checks", "message": rule.name})
        reason = next((lacking[need] for need in rule.needs if need in lacking), None)
        findings.append(
            _run(database, rule, earlier) if reason is None else Finding(rule.name, "not_applicable", reason)
        )
    findings.append(_protocol_v2(database))
    progress({"stage": "verify", "done": len(RULES), "total": len(RULES), "unit": "checks"})
    failed = any(finding.status == "failed" for finding in findings)
    applicable = any(finding.status != "not_applicable" for finding in findings)
    return {
        "schema": "polyledger.verify/1",
        "ok": applicable and not failed,
        "checks": [finding.document() for finding in findings],
    }


def _lacking(database: Database) -> dict[str, str]:
    """What this ledger was told to leave out, and so cannot be checked with: a reason for each of `Rule.needs`."""
    with database.reading() as cursor:
        start = scopes.starts_late(cursor)
        wallets = len(scopes.wallets_in_scope(cursor)) if scopes.limits_views(cursor) else 0
    found = {}
    if wallets:
        whom = "one wallet" if wallets == 1 else f"{wallets:,} wallets"
        found["everybody"] = f"the ledger is of {whom}; what others hold is not in it"
    if start is not None:
        found["history"] = f"the ledger begins at block {start:,}, as --since asked; this needs what came before"
    return found


def _of_earlier_markets(database: Database) -> frozenset[str]:
    """Transactions that a ledger with a late start cannot balance: their markets were prepared before it begins."""
    rows = database.query(script("polyledger.ledger", "transactions_of_earlier_markets"))
    return frozenset(str(row[0]) for row in rows)


def _run(database: Database, rule: Rule, left_out: frozenset[str]) -> Finding:
    """One check. Findings about the transactions `left_out` do not count."""
    finding = Finding(rule.name)
    ((finding.checked,),) = database.query(f"SELECT count(*) FROM {rule.counted}")
    sql = resources.files("polyledger.ledger").joinpath("checks", f"{rule.name}.sql").read_text(encoding="utf-8")
    with plain_errors(database.path):
        cursor = database.cursor()
        try:
            for parameters in _portions(cursor, rule):
                rows = [row for row in cursor.execute(sql, parameters).fetchall() if row[0] not in left_out]
                finding.failed += len(rows)
                free = _EXAMPLES - len(finding.examples)
                finding.examples += [
                    {"subject": str(subject), "detail": str(detail)} for subject, detail in rows[:free]
                ]
        finally:
            cursor.close()
    if finding.failed:
        finding.status = "failed"
    elif not finding.checked:
        finding.status, finding.reason = "not_applicable", "there is nothing to check"
    return finding


def _portions(cursor: duckdb.DuckDBPyConnection, rule: Rule) -> Iterator[dict[str, int]]:
    """The parameters of each pass of a check."""
    if rule.how == "whole":
        yield {}
    elif rule.how == "windows":
        borders = [
            int(row[0])
            for row in cursor.execute(
                "SELECT tx FROM (SELECT tx, row_number() OVER (ORDER BY tx) AS n FROM chain.transactions) AS t "
                "WHERE (n - 1) % ? = 0 ORDER BY tx",
                [_WINDOW],
            ).fetchall()
        ]
        for first, following in pairwise([*borders, (1 << 62) + 1]):
            yield {"first": first, "last": following - 1}
    else:
        ((transfers,),) = cursor.execute("SELECT count(*) FROM chain.share_transfers").fetchall()
        buckets = 1 + transfers // _TRANSFERS_PER_BUCKET
        for bucket in range(buckets):
            yield {"buckets": buckets, "bucket": bucket}


def _protocol_v2(database: Database) -> Finding:
    """Transactions of Protocol V2 positions: kept and counted, their books are not drawn up."""
    ((count,),) = database.query(
        "SELECT count(DISTINCT s.tx) FROM chain.share_transfers AS s JOIN dim.contracts AS k ON k.account = s.contract "
        "WHERE k.role = 'position_manager'"
    )
    reason = (
        f"{count:,} transactions move Protocol V2 positions, whose collateral flows are not published"
        if count
        else "there is nothing to check"
    )
    return Finding("protocol_v2_books", "not_applicable", reason, int(count))
