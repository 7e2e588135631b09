"""What a workspace does about the trades it has found: signals now, watchlist and paper trading on top of them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from polyledger.domain.errors import ConfigurationError, UsageError
from polyledger.domain.scope import moment
from polyledger.insight.signals.evaluate import Window, evaluate_new, replay
from polyledger.insight.signals.rules import RULES_FILE, Rules, load_rules
from polyledger.store.database import plain_errors
from polyledger.workspace.access import LEDGER_FILE, LedgerAccess, Progress
from polyledger.workspace.results import Result

if TYPE_CHECKING:
    from polyledger.door.holding import Holding

Document = dict[str, Any]


class LedgerFollowing(LedgerAccess):
    """Signals of the rules in ``signals.toml``."""

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
            {"since", "until", "fired", "awaiting", "voided"}: how many fired and were voided now, how many await.
        """
        first, last = moment(since), moment(until, last=True)
        if first > last:
            raise UsageError(f"{since} is later than {until}", "Give the first day, then the last")
        rules = self._rules()
        self._reader()
        self.close()
        with plain_errors(self.path / LEDGER_FILE), self._holding("signals", progress) as held:
            run_id = f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S}-signals"
            found = replay(
                held.database,
                rules,
                Window(since=first, until=last),
                categories=self._categories(),
                run_id=run_id,
                progress=held.progress,
            )
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

    def _follow(self, held: Holding, before: int, run_id: str) -> Document | None:
        """After a run: evaluate the rules on what it brought. None without rules.

        A mistake in the rules does not undo the run: it is what ``problem`` says.
        """
        try:
            rules = load_rules(self.path)
            if rules is None:
                return None
            found = evaluate_new(held.database, rules, before=before, categories=self._categories(), run_id=run_id)
        except ConfigurationError as error:
            return {"fired": 0, "problem": str(error)}
        return {**found, "problem": None}
