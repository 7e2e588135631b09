"""What can be asked of a ledger: one table, used by a workspace that opens the file and by the process that holds it.

A question is a function of what was opened and of plain arguments (what JSON can carry), and gives a document. Whatever
is listed in `QUESTIONS` works while a run goes on, in another process, with the same result and the same errors.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from polyledger.config import Settings
from polyledger.config_file import category_table
from polyledger.domain.errors import ConfigurationError, UsageError
from polyledger.domain.periods import Period
from polyledger.domain.scope import Scope
from polyledger.identity.conflicts import conflicts
from polyledger.identity.explain import explain
from polyledger.insight.breakdown import add_insight
from polyledger.insight.exposure import exposure
from polyledger.insight.followed import followed
from polyledger.insight.ranking import INSIGHT_ORDERS, ranked_wallets
from polyledger.insight.report_document import report_document
from polyledger.insight.signals.rules import RULES_FILE, load_rules
from polyledger.insight.signals.stored import signals
from polyledger.insight.trading.paper_books import paper_document
from polyledger.insight.watchlist.strategies import load_strategies
from polyledger.ledger.verify import verify
from polyledger.store.database import Database, plain_errors
from polyledger.store.moments import in_period, period_document
from polyledger.sync.gaps import DEFAULT_LIMIT, gaps
from polyledger.sync.scope import contracts_of
from polyledger.value.categories import DEFAULT_TAGS, categories
from polyledger.value.coverage import coverage
from polyledger.value.distribution import coverage_distribution
from polyledger.value.methods import wallets_by_average_cost
from polyledger.value.series import wallet_series
from polyledger.value.wallets import account_of, wallet

Document = dict[str, Any]
Progress = Callable[[dict[str, Any]], None]


def _ignore(_event: Mapping[str, Any]) -> None:
    return None


@dataclass(frozen=True)
class Asked:
    """What a question is put to: a ledger that can be read, and the settings and folder it is kept with."""

    database: Database
    settings: Settings
    workspace: Path
    progress: Progress = _ignore


Question = Callable[..., Document]
Limits = Mapping[str, int] | None
"""A `Period` as JSON carries it."""


def _in_period(asked: Asked, plain: Limits, question: Callable[[Database], Document]) -> Document:
    """What `question` gives of the ledger of a period, which the document then names."""
    period = Period.from_plain(plain)
    with in_period(asked.database, period) as database:
        document = question(database)
    return document | period_document(asked.database, period)


def _coverage(asked: Asked, by: str | None = None, scope: Document | None = None, period: Limits = None) -> Document:
    return _in_period(asked, period, lambda database: coverage(database, by, Scope.from_plain(scope)))


def _categories(asked: Asked, tags: int = DEFAULT_TAGS, period: Limits = None) -> Document:
    table, limits = category_table(asked.workspace), Period.from_plain(period)
    # Here the beginning is about trades, not about what was settled since.
    until = replace(limits, since=None).plain()
    document = _in_period(asked, until, lambda database: categories(database, table, since=limits.since, tags=tags))
    return document | period_document(asked.database, limits)


def _wallets(
    asked: Asked,
    *,
    method: str = "settlement",
    era: str | None = None,
    order_by: str = "realized_pnl",
    limit: int | None = None,
    category: str | None = None,
    min_coverage: float | None = None,
    min_resolved: int | None = None,
    skill: bool = False,
    without_transferred: bool = False,
    ascending: bool = False,
    period: Limits = None,
) -> Document:
    if method == "average-cost":
        if without_transferred or ascending:
            raise UsageError("The average-cost method tracks no transfers", "Leave out the method, or the other")
        if skill or min_resolved is not None or order_by in INSIGHT_ORDERS:
            raise UsageError("Skill rests on settled conditions", "Leave --method average-cost out")
        if "since" in (period or {}):
            raise UsageError("The average-cost method knows no beginning", "Leave --since out, or the method")
        return _in_period(
            asked,
            period,
            lambda database: wallets_by_average_cost(
                database, era=era, order_by=order_by, limit=limit, category=category, min_coverage=min_coverage
            ),
        )
    if method == "settlement":
        return _in_period(
            asked,
            period,
            lambda database: ranked_wallets(
                database, order_by=order_by, limit=limit, category=category, min_coverage=min_coverage,
                min_resolved=min_resolved, skill=skill, without_transferred=without_transferred, ascending=ascending,
            ),
        )  # fmt: skip
    raise UsageError(f"There is no method {method!r}", "Choose settlement or average-cost")


def _wallet(asked: Asked, address: str, period: Limits = None, series: str | None = None) -> Document:
    when = Period.from_plain(period).text()

    def question(database: Database) -> Document:
        (document,) = add_insight(database, [wallet(database, address, when)])
        if series is None:
            return document
        account, _ = account_of(database, address)
        return {**document, "span": series, "series": wallet_series(database, account, document, series)}

    return _in_period(asked, period, question)


def _distribution(asked: Asked, category: str | None = None, period: Limits = None) -> Document:
    return _in_period(asked, period, lambda database: coverage_distribution(database, category))


def _exposure(asked: Asked, wallets: Sequence[str] = (), period: Limits = None) -> Document:
    return _in_period(asked, period, lambda database: exposure(database, wallets))


def _gaps(asked: Asked, by: str | None = None, limit: int = DEFAULT_LIMIT, scope: Document | None = None) -> Document:
    return gaps(asked.database, by, limit=limit, scope=Scope.from_plain(scope))


def _plan(
    asked: Asked, only: Sequence[str] = (), budget: float | None = None, scope: Document | None = None
) -> Document:
    from polyledger.sync.planning import make_plan, plan_document

    wanted = Scope.from_plain(scope)
    return plan_document(make_plan(asked.database, asked.settings, only=only, budget=budget, scope=wanted), wanted)


def _signals(asked: Asked, rule: str | None = None, limit: int | None = None) -> Document:
    rules = load_rules(asked.workspace)
    if rules is None:
        raise ConfigurationError(f"{asked.workspace} has no {RULES_FILE}", "Write rules into it")
    return signals(asked.database, rules, rule=rule, limit=limit)


def _paper(asked: Asked) -> Document:
    rules = load_rules(asked.workspace)
    strategies = None if rules is None else load_strategies(asked.workspace, rules)
    if strategies is None:
        raise ConfigurationError(f"{asked.workspace} has no strategies", "Write them into strategies.toml")
    return paper_document(asked.database, asked.workspace, strategies)


def _verify(asked: Asked) -> Document:
    return verify(asked.database, asked.progress)


def _conflicts(asked: Asked, limit: int | None = None) -> Document:
    return conflicts(asked.database, limit)


def _explain(asked: Asked, identifier: str) -> Document:
    return explain(asked.database, identifier, contracts_of(asked.settings))


def _report(asked: Asked) -> Document:
    return report_document(
        asked.database,
        category_table(asked.workspace),
        asked.progress,
        following=lambda: followed(asked.database, asked.workspace, asked.settings),
    )


QUESTIONS: Final[dict[str, Question]] = {
    "categories": _categories,
    "conflicts": _conflicts,
    "coverage": _coverage,
    "distribution": _distribution,
    "explain": _explain,
    "exposure": _exposure,
    "gaps": _gaps,
    "paper": _paper,
    "plan": _plan,
    "report": _report,
    "signals": _signals,
    "verify": _verify,
    "wallet": _wallet,
    "wallets": _wallets,
}


def answer(asked: Asked, name: str, arguments: Mapping[str, Any]) -> Document:
    """The document that answers the question `name`.

    Raises:
        UsageError: there is no such question, or it does not take these arguments.
    """
    question = QUESTIONS.get(name)
    if question is None:
        raise UsageError(
            f"The process that holds the ledger cannot answer {name!r}",
            "It may run another version of polyledger; ask again when it has ended",
        )
    try:
        inspect.signature(question).bind(asked, **arguments)
    except TypeError as error:
        raise UsageError(
            f"The question {name!r} cannot be put this way ({error})",
            "The process that holds the ledger may run another version of polyledger; ask again when it has ended",
        ) from error
    with plain_errors(asked.database.path):
        return question(asked, **arguments)
