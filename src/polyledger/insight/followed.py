"""What rules and strategies have come to, for a report: signals, the watchlist, paper trading."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from polyledger.config import Settings
from polyledger.domain.errors import ConfigurationError, WorkspaceError
from polyledger.insight.signals.reasons import in_words
from polyledger.insight.signals.rules import Rules, load_rules
from polyledger.insight.signals.stored import signals
from polyledger.insight.trading.paper_books import paper_document
from polyledger.insight.watchlist.entries import ENTERED, ESCALATE, EXITED, WATCHING
from polyledger.insight.watchlist.strategies import load_strategies
from polyledger.insight.watchlist.view import watchlist_document
from polyledger.store.database import Database

Document = dict[str, Any]
SHOWN: Final = 8
_ORDER: Final = (ENTERED, ESCALATE, WATCHING, EXITED)
_OF_SIGNALS: Final = (
    "rule", "time", "side", "size", "price", "outcome", "question", "condition", "category", "wallet", "coverage",
    "resolved_conditions", "traded_conditions", "rank",
)  # fmt: skip
_OF_ENTRIES: Final = (
    "state", "strategy", "outcome", "question", "condition", "category", "signals", "wallets", "against", "wallet",
    "coverage", "rank", "missing", "opened_at", "entered_at", "exited_at", "reason",
)  # fmt: skip
_OF_PAPER: Final = ("strategy", "realized_pnl", "low", "high", "volume", "fees", "coverage", "categories")


def followed(database: Database, workspace: Path, settings: Settings) -> Document | None:
    """The part of a polyledger.report/1 document; None in a workspace without rules.

    Returns:
        {"problem", "rules", "signals", "watchlist", "paper"}: ``problem`` is a mistake in a file of rules, for
        which the rest is incomplete; ``signals`` are the last ones, each with ``because``; ``watchlist`` is null where
        it is off, ``paper`` where no strategy trades on paper.
    """
    found: Document = {"problem": None, "rules": [], "signals": [], "watchlist": None, "paper": None}
    try:
        rules = load_rules(workspace)
        if rules is None:
            return None
        told = signals(database, rules, limit=SHOWN)
        found["rules"] = told["rules"]
        found["signals"] = [_signal(row) for row in told["signals"]]
        if settings.watchlist.enabled:
            found |= _watched(database, workspace, rules)
    except (ConfigurationError, WorkspaceError) as error:
        return {**found, "problem": str(error)}
    return found


def _signal(row: Document) -> Document:
    because = [in_words(line) for line in row["why"] if line["criterion"] != "side"]  # the side is shown anyway
    return {**{name: row[name] for name in _OF_SIGNALS}, "because": because}


def _watched(database: Database, workspace: Path, rules: Rules) -> Document:
    strategies = load_strategies(workspace, rules)
    if strategies is None:
        return {}
    whole = watchlist_document(workspace, strategies)
    alive_first = sorted(whole["entries"], key=lambda entry: _ORDER.index(entry["state"]))
    entries = [{name: entry[name] for name in _OF_ENTRIES} for entry in alive_first[:SHOWN]]
    states: Document = {"states": whole["states"], "changes": whole["changes"], "stopped": whole["stopped"]}
    paper = None
    if any(strategy.trade == "paper" for strategy in strategies.strategies):
        traded = paper_document(database, workspace, strategies)
        rows = [{name: row[name] for name in _OF_PAPER} for row in traded["strategies"]]
        paper = {"at_stake": traded["at_stake"], "orders": len(traded["orders"]), "strategies": rows}
    return {"watchlist": {**states, "entries": entries}, "paper": paper}
