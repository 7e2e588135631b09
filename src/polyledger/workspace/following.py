"""What a workspace does about the trades it has found: signals now, watchlist and paper trading on top of them."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from polyledger.domain.errors import ConfigurationError, UsageError, WorkspaceError
from polyledger.domain.scope import moment
from polyledger.insight.signals.evaluate import Window, evaluate_new, known_categories, replay
from polyledger.insight.signals.rules import RULES_FILE, Rules, load_rules
from polyledger.insight.signals.seen import begin
from polyledger.insight.trading.brokers import STOP_FILE
from polyledger.insight.watchlist.strategies import STRATEGIES_FILE, Strategies, load_strategies
from polyledger.insight.watchlist.update import update
from polyledger.insight.watchlist.view import watchlist_document
from polyledger.store.database import Database, plain_errors
from polyledger.store.new_ledger import LEDGER_FILE
from polyledger.workspace.access import LedgerAccess, Progress
from polyledger.workspace.results import Result

if TYPE_CHECKING:
    from polyledger.door.holding import Holding

Document = dict[str, Any]


class LedgerFollowing(LedgerAccess):
    """Signals of the rules in ``signals.toml``, and what the strategies in ``strategies.toml`` do about them."""

    def signals(self, *, rule: str | None = None, limit: int | None = None) -> Result:
        """What the rules in force have found, newest first: the polyledger.signals/1 document.

        Args:
            rule: the name of one rule.
            limit: how many signals at most.

        Raises:
            ConfigurationError: the workspace has no rules, or they say something that is not allowed.
            UsageError: there is no such rule.
        """
        self._named_rule(rule)
        document = self._ask("signals", rule=rule, limit=limit)
        return Result(document, lambda: pa.Table.from_pylist(document["signals"]))

    def replay_signals(self, since: str, until: str, *, progress: Progress | None = None) -> Document:
        """Run the rules over the fills of a span of history and store what they find; again, it adds nothing.

        Every fill is judged by what had settled before its own day (UTC) began.

        Args:
            since, until: dates or times in UTC; a date as `until` counts in full.
            progress: called with an event for each rule.

        Returns:
            {"since", "until", "fired", "awaiting", "voided"}: how many fired and were voided now, how many await; with
            the watchlist on, "watchlist": how many changes that made in it.
        """
        first, last = moment(since), moment(until, last=True)
        if first > last:
            raise UsageError(f"{since} is later than {until}", "Give the first day, then the last")
        rules = self._rules()
        if self.settings.watchlist.enabled:
            self._strategies()  # a mistake in them is told before anything is done
        self._reader()
        self.close()
        with plain_errors(self.path / LEDGER_FILE), self._holding("signals", progress) as held:
            run_id = f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S}-signals"
            found: Document = replay(
                held.database,
                rules,
                Window(since=first, until=last),
                categories=self._categories(),
                run_id=run_id,
                progress=held.progress,
            )
            found |= self._update_watchlist(held.database, rules)
        return {"since": since, "until": until, **found}

    def _rules(self) -> Rules:
        rules = load_rules(self.path)
        if rules is None:
            raise ConfigurationError(
                f"{self.path} has no {RULES_FILE}", "Write rules into it; docs/guides/signals.md shows how"
            )
        return rules

    def _named_rule(self, rule: str | None) -> None:
        names = [entry.name for entry in self._rules().rules]
        if rule is not None and rule not in names:
            raise UsageError(f"There is no rule {rule!r}", f"There are {', '.join(names)}")

    def _before(self, held: Holding) -> None:
        """Before a run: rules begin with what it brings. What is wrong with them is said by `_follow`."""
        with suppress(ConfigurationError):
            rules = load_rules(self.path)
            if rules is not None:
                begin(held.database, [rule.definition() for rule in rules.rules])

    def _follow(self, held: Holding, run_id: str, found_by: str) -> Document:
        """After a run: evaluate the rules on what is new; {"signals": what came of it}, or nothing without rules.

        A mistake in the rules does not undo the run: it is what ``problem`` says.
        """
        found: Document = {"fired": 0}
        try:
            rules = load_rules(self.path)
            if rules is None:
                return {}
            found = evaluate_new(
                held.database, rules, categories=self._categories(), run_id=run_id, found_by=found_by
            )  # fmt: skip
            found |= self._update_watchlist(held.database, rules)
        except (ConfigurationError, WorkspaceError) as error:
            return {"signals": {**found, "problem": str(error)}}
        return {"signals": {**found, "problem": None}}

    def watchlist(self, *, strategy: str | None = None, state: str | None = None) -> Result:
        """What strategies made of signals: the polyledger.watchlist/1 document, what changed last first.

        Args:
            strategy, state: only entries of this strategy, or in this state.

        Raises:
            ConfigurationError: the watchlist is off, or a file of rules or strategies has a mistake.
            WorkspaceError: the log is damaged.
        """
        strategies = self._strategies()
        names = [entry.name for entry in strategies.strategies]
        if strategy is not None and strategy not in names:
            raise UsageError(f"There is no strategy {strategy!r}", f"There are {', '.join(names)}")
        document = watchlist_document(self.path, strategies, strategy=strategy, state=state)
        return Result(document, lambda: pa.Table.from_pylist(document["entries"]))

    def paper(self) -> Result:
        """What strategies traded on paper, and what came of it by the rules of the ledger: polyledger.paper/1."""
        self._strategies()
        document = self._ask("paper")
        return Result(document, lambda: pa.Table.from_pylist(document["orders"]))

    def stop_trading(self, *, stop: bool = True) -> None:
        """The kill switch: from the next look on, no order is placed and those that work are cancelled."""
        self.init(self.path)
        file = self.path / STOP_FILE
        if stop:
            file.touch()
        else:
            file.unlink(missing_ok=True)

    def _strategies(self) -> Strategies:
        if not self.settings.watchlist.enabled:
            raise ConfigurationError(
                f"The watchlist of {self.path} is off", "Set enabled = true under [watchlist] in polyledger.toml"
            )
        strategies = load_strategies(self.path, self._rules())
        if strategies is None:
            raise ConfigurationError(
                f"The watchlist is on, but {self.path} has no {STRATEGIES_FILE}",
                "Write strategies into it; docs/guides/watchlist.md shows how",
            )
        return strategies

    def _update_watchlist(self, database: Database, rules: Rules) -> Document:
        """Follow the strategies, where the watchlist is on: {"watchlist": how many changes}, else nothing."""
        if not self.settings.watchlist.enabled:
            return {}
        strategies = self._strategies()
        strategies.check_categories(known_categories(database, self._categories()))
        now = int(dt.datetime.now(dt.UTC).timestamp())
        changes = update(database, self.path, rules, strategies, trading=self.settings.trading, now=now)
        return {"watchlist": changes}
